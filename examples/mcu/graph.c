/*
 * A network on a microcontroller: its file and its inputs lie in flash (MODEL, INPUT), the core (limpet.graph.mcu.wasm or a
 * slim build of it, through wasm2c) in code, its linear memory is one array. Writes the bytes of the outputs, run by run,
 * a line each. LOAD copies the file to linear memory, or reads it where it lies: build.sh has a word for each.
 */
#include "board.h"
#include "graph.h"

#include <string.h>

extern const uint8_t board_input[], board_input_end[];

static void write_number(u32 value) {
  if (value >= 10) write_number(value / 10);
  board_write(&"0123456789"[value % 10], 1);
}

static int fail(limpet_graph *g) {
  u32 length;
  const char *words = limpet_graph_error(g, &length);
  board_write(words, length);
  board_write("\n", 1);
  return 1;
}

int main(void) {
  static limpet_graph g;
  u32 size, bytes;
  if (!limpet_graph_open(&g, MEMORY_BYTES)) return 1;
  if (!LOAD(&g, board_model, (u32)(board_model_end - board_model), 0)) return fail(&g);
  board_write("memory: ", 8);
  write_number(limpet_graph_memory(&g));
  board_write("\n", 1);
  limpet_graph_input(&g, 0, &size);
  for (const uint8_t *values = board_input; values + size <= board_input_end; values += size) {
    memcpy(limpet_graph_input(&g, 0, &size), values, size);
    if (!limpet_graph_run(&g)) return fail(&g);
    const uint8_t *output = limpet_graph_output(&g, 0, &bytes);
    for (u32 i = 0; i < bytes; i++) {
      if (i > 0) board_write(" ", 1);
      write_number(output[i]);
    }
    board_write("\n", 1);
  }
  return 0;
}
