/*
 * A language model on a microcontroller: the model lies in flash, the core (limpet.mcu.wasm through wasm2c) in code, its
 * linear memory is one array. What the machine has to give is in board.h; nothing here allocates.
 */
#include "host.h"
#include "board.h"

/* Tokens of context: each takes 640 bytes of cache in stories260K (keys and values in F16, five layers). */
#ifndef CONTEXT
#define CONTEXT 128
#endif
#ifndef TOKENS
#define TOKENS 100
#endif

static int read_flash(void *file, u64 offset, void *target, u32 length) {
  memcpy(target, (const uint8_t *)file + offset, length);
  return 1;
}

int main(void) {
  static limpet l;
  u32 length;
  u32 model = 0;
  int status = -1;
  const u64 size = (u64)(board_model_end - board_model);
  if (limpet_open(&l)) {
    Z_limpetZ_core_set_limit(&l.wasm, l.core, MEMORY_BYTES);
    model = limpet_load(&l, size, read_flash, (void *)board_model, WEIGHTS);
  }
  if (model) status = limpet_generate(&l, model, "Once upon a time", CONTEXT, 1, TOKENS, board_write);
  if (status < 0) {
    const char *words = limpet_error(&l, &length);
    board_write(words, length);
  }
  board_write("\n", 1);
  return status < 0;
}
