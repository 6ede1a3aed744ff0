/* Every value between on a board: takes the place of examples/mcu/graph.c. An operator and its first output's CRC-32 a line. */
#include "board.h"
#include "graph.h"

#include <string.h>

#define CALL(name, ...) Z_limpetZ_##name(&g.wasm, __VA_ARGS__)

extern const uint8_t board_input[];

static u32 crc32(const uint8_t *bytes, u32 length) {
  u32 sum = ~0u;
  for (u32 i = 0; i < length; i++) {
    sum ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum;
}

static void write_hex(u32 value) {
  for (int shift = 28; shift >= 0; shift -= 4) board_write(&"0123456789abcdef"[(value >> shift) & 15], 1);
}

int main(void) {
  static limpet_graph g;
  u32 size, length;
  s32 status = LIMPET_STATUS_MORE;
  if (!limpet_graph_open(&g, MEMORY_BYTES)) return 1;
  if (!LOAD(&g, board_model, (u32)(board_model_end - board_model), LIMPET_GRAPH_FLAG_TRACED)) {
    const char *words = limpet_graph_error(&g, &length);
    board_write(words, length);
    return 1;
  }
  void *input = limpet_graph_input(&g, 0, &size);
  memcpy(input, board_input, size);
  while (status == LIMPET_STATUS_MORE) {
    const u32 operator = CALL(graph_next, g.graph);
    status = (s32)CALL(graph_run_operator, g.core, g.graph);
    const s32 id = (s32)CALL(graph_operator_output, g.graph, operator, 0);
    if (id < 0) continue;
    const u32 tensor = CALL(graph_tensor, g.graph, 3, (u32)id);
    const u32 data = CALL(graph_tensor_data, tensor);
    write_hex(operator);
    board_write(" ", 1);
    write_hex(crc32(Z_limpetZ_memory(&g.wasm)->data + data, (u32)CALL(graph_tensor_number, tensor, 2)));
    board_write("\n", 1);
  }
  return status != LIMPET_STATUS_DONE;
}
