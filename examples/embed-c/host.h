/*
 * limpet in a C program: limpet.scalar.wasm (or limpet.mcu.wasm) through wasm2c, driven by the functions below. They call
 * nothing of the operating system, so that the same file serves a server and a microcontroller.
 *
 * A handle is a number: an offset in the core's memory. A call that can fail gives a status below zero, or a handle of 0;
 * `limpet_error` then has the words.
 */
#ifndef LIMPET_HOST_H
#define LIMPET_HOST_H

#include "limpet.h" /* of wasm2c */
#include "limpet-numbers.h" /* of limpet's build */

/* Fills `target` with `length` bytes of the model's file from `offset` on; 0 when they cannot be had. */
typedef int (*limpet_reader)(void *file, u64 offset, void *target, u32 length);

/* Shows a piece of text: whole UTF-8 characters, no zero at the end. */
typedef void (*limpet_writer)(const char *text, u32 length);

typedef struct {
  Z_limpet_instance_t wasm;
  u32 core;
  limpet_reader read;
  void *file;
} limpet;

/* Where weights are kept: in memory, or in the file, from which each token reads them piece by piece. */
enum { LIMPET_RESIDENT = LIMPET_STREAMED_NOTHING, LIMPET_STREAMED = LIMPET_STREAMED_ALL };

/* Makes the instance and its core record; 0 when there is too little memory. */
int limpet_open(limpet *l);

/* What lies at a pointer of the core. Growing memory moves it: do not keep it across calls. */
void *limpet_at(limpet *l, u32 pointer);

/* Loads a model of `size` bytes through `read`; gives its handle, or 0. */
u32 limpet_load(limpet *l, u64 size, limpet_reader read, void *file, u32 weights);

/* Does the rest of a pass that was begun on a context; below zero: an error. */
int limpet_pass(limpet *l, u32 context);

/* Goes on from `prompt` by at most `tokens` tokens, the likeliest each time, in a context of `rows` tokens and chunks of
 * `batch`; below zero: an error. */
int limpet_generate(limpet *l, u32 model, const char *prompt, u32 rows, u32 batch, u32 tokens, limpet_writer write);

/* The words of the last error, `length` of them. */
const char *limpet_error(limpet *l, u32 *length);

#endif
