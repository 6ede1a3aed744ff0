/* The conformance check on a board: takes the place of the example's main.c. TOKENS are the tokens, with commas. */
#include "board.h"
#include "logits.h"

static int read_flash(void *file, u64 offset, void *target, u32 length) {
  memcpy(target, (const uint8_t *)file + offset, length);
  return 1;
}

int main(void) {
  static limpet l;
  static const u32 tokens[] = {TOKENS};
  char hash[17];
  u32 model = 0;
  const u64 size = (u64)(board_model_end - board_model);
  if (limpet_open(&l)) model = limpet_load(&l, size, read_flash, (void *)board_model, WEIGHTS);
  limpet_hash_text(model ? limpet_logits_hash(&l, model, tokens, sizeof tokens / sizeof *tokens) : 0, hash);
  board_write(hash, 16);
  board_write("\n", 1);
  return 0;
}
