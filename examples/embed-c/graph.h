/*
 * A network of a .tflite file in a C program: limpet.graph.scalar.wasm, limpet.graph.mcu.wasm or a slim build of them
 * through wasm2c, driven by the functions below. They call nothing of the operating system.
 *
 * A call that can fail gives 0; `limpet_graph_error` then has the words.
 */
#ifndef LIMPET_GRAPH_H
#define LIMPET_GRAPH_H

#include "limpet.h" /* of wasm2c */
#include "limpet-numbers.h" /* of limpet's build */

typedef struct {
  Z_limpet_instance_t wasm;
  u32 core;
  u32 graph;
} limpet_graph;

/* Makes the instance and its core record, which may take memory up to `limit` bytes; 0: up to its end. */
int limpet_graph_open(limpet_graph *g, u32 limit);

/* Loads a file of `size` bytes; `flags` of LIMPET_GRAPH_FLAG_…, 0 for none. */
int limpet_graph_load(limpet_graph *g, const void *file, u32 size, u32 flags);

#if UINTPTR_MAX == UINT32_MAX
/* The same of a file that is read where it lies, and stays there: in flash, where the module's loads may reach it
 * (examples/mcu/flash.h). */
int limpet_graph_load_in_place(limpet_graph *g, const void *file, u32 size, u32 flags);
#endif

/* The bytes of input or output `i`, `size` of them; NULL: there is none. Inputs are written anew before each run, all of
 * them, and outputs stand until the next one. */
void *limpet_graph_input(limpet_graph *g, u32 i, u32 *size);
void *limpet_graph_output(limpet_graph *g, u32 i, u32 *size);

/* Runs the network. */
int limpet_graph_run(limpet_graph *g);

/* What all of it takes of linear memory, constants of the core and all [bytes]. */
u32 limpet_graph_memory(limpet_graph *g);

/* The words of the last error, `length` of them. */
const char *limpet_graph_error(limpet_graph *g, u32 *length);

#endif
