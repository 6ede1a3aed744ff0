/*
 * The runtime that wasm2c's code asks for, for a module whose memory never grows: no heap, no signals, no page of 64 KiB.
 * MEMORY_BYTES is the linear memory: what limpet.mcu.wasm exports as __heap_base, or less, which the core is told.
 */
#include "limpet.h"
#include "board.h"

static uint8_t linear_memory[MEMORY_BYTES] __attribute__((aligned(16)));

void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint32_t pages, uint32_t most) {
  memory->data = linear_memory;
  memory->size = MEMORY_BYTES;
  memory->pages = pages;
  memory->max_pages = most;
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory) { (void)memory; }

uint32_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint32_t pages) {
  (void)memory, (void)pages;
  return UINT32_MAX;
}

bool wasm_rt_is_initialized(void) { return true; }

/* Functions that the core calls by their index: shared jobs and architectures. */
#define TABLE_LIMIT 64
static wasm_rt_funcref_t functions[TABLE_LIMIT];

void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t *table, uint32_t elements, uint32_t most) {
  if (elements > TABLE_LIMIT) board_stop("the core has more functions in its table than memory.c has room for\n");
  table->data = functions;
  table->size = elements;
  table->max_size = most;
}

void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t *table) { (void)table; }

/* One module, each of its types once: a number for each. */
uint32_t wasm_rt_register_func_type(uint32_t params, uint32_t results, ...) {
  static uint32_t types;
  (void)params, (void)results;
  return ++types;
}

void wasm_rt_trap(wasm_rt_trap_t trap) {
  (void)trap;
  board_stop("the core trapped\n");
}
