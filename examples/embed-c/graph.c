/* The calls of the core in their order: docs/embedding.md lists all there are. */
#include "graph.h"

#include <string.h>

#define CALL(name, ...) Z_limpetZ_##name(&g->wasm, __VA_ARGS__)

/* What graph_tensor and graph_tensor_number are asked for. */
enum { INPUTS = 0, OUTPUTS = 1, BYTES = 2 };

static void *at(limpet_graph *g, u32 pointer) { return Z_limpetZ_memory(&g->wasm)->data + pointer; }

int limpet_graph_open(limpet_graph *g, u32 limit) {
  Z_limpet_init_module();
  Z_limpet_instantiate(&g->wasm);
  g->graph = 0;
  g->core = Z_limpetZ_core_create(&g->wasm);
  if (g->core != 0 && limit != 0) CALL(core_set_limit, g->core, limit);
  return g->core != 0;
}

static int prepare(limpet_graph *g) {
  s32 status = LIMPET_STATUS_MORE;
  while (status == LIMPET_STATUS_MORE) status = (s32)CALL(graph_step, g->core, g->graph);
  return status == LIMPET_STATUS_DONE;
}

int limpet_graph_load(limpet_graph *g, const void *file, u32 size, u32 flags) {
  g->graph = CALL(graph_create, g->core, size, flags);
  if (g->graph == 0) return 0;
  memcpy(at(g, CALL(graph_file, g->graph)), file, size);
  return prepare(g);
}

#if UINTPTR_MAX == UINT32_MAX
int limpet_graph_load_in_place(limpet_graph *g, const void *file, u32 size, u32 flags) {
  g->graph = CALL(graph_create_in_place, g->core, (u32)file - (u32)at(g, 0), size, flags);
  return g->graph != 0 && prepare(g);
}
#endif

static void *bytes_of(limpet_graph *g, u32 side, u32 i, u32 *size) {
  const u32 tensor = CALL(graph_tensor, g->graph, side, i);
  if (tensor == 0) return NULL;
  *size = (u32)CALL(graph_tensor_number, tensor, BYTES);
  return at(g, CALL(graph_tensor_data, tensor));
}

void *limpet_graph_input(limpet_graph *g, u32 i, u32 *size) { return bytes_of(g, INPUTS, i, size); }

void *limpet_graph_output(limpet_graph *g, u32 i, u32 *size) { return bytes_of(g, OUTPUTS, i, size); }

int limpet_graph_run(limpet_graph *g) {
  s32 status = LIMPET_STATUS_MORE;
  while (status == LIMPET_STATUS_MORE) status = (s32)CALL(graph_run, g->core, g->graph);
  return status == LIMPET_STATUS_DONE;
}

/* The core record lies behind the constants, and the arena behind it. */
u32 limpet_graph_memory(limpet_graph *g) { return g->core + (u32)CALL(core_used, g->core); }

const char *limpet_graph_error(limpet_graph *g, u32 *length) {
  *length = CALL(error_message_length, g->core);
  return at(g, CALL(error_message, g->core));
}
