/*
 * Generates text: generate MODEL.gguf "Once upon a time" [TOKENS]
 *
 *     wasm2c ../../build/limpet.scalar.wasm -n limpet -o limpet.c
 *     gcc -O2 -ffp-contract=off -I. -I../../build generate.c host.c limpet.c -lwasm-rt-impl -lm -o generate
 *
 * -ffp-contract=off keeps a multiplication and an addition two roundings, as in every other host.
 */
#include <stdio.h>
#include <stdlib.h>

#include "host.h"

static int read_file(void *file, u64 offset, void *target, u32 length) {
  return fseek(file, (long)offset, SEEK_SET) == 0 && fread(target, 1, length, file) == length;
}

static void show(const char *text, u32 length) {
  fwrite(text, 1, length, stdout);
  fflush(stdout);
}

static int fail(limpet *l) {
  u32 length;
  const char *words = limpet_error(l, &length);
  fprintf(stderr, "%.*s\n", (int)length, length ? words : "");
  return 1;
}

int main(int count, char **arguments) {
  static limpet l;
  if (count < 3) return fputs("generate MODEL.gguf PROMPT [TOKENS]\n", stderr), 2;
  FILE *file = fopen(arguments[1], "rb");
  if (file == NULL) return perror(arguments[1]), 1;
  wasm_rt_init();
  if (!limpet_open(&l)) return fputs("too little memory\n", stderr), 1;
  fseek(file, 0, SEEK_END);
  u32 model = limpet_load(&l, (u64)ftell(file), read_file, file, LIMPET_RESIDENT);
  if (model == 0) return fail(&l);
  if (limpet_generate(&l, model, arguments[2], 512, 64, count > 3 ? (u32)atoi(arguments[3]) : 64, show) < 0) return fail(&l);
  putchar('\n');
  return 0;
}
