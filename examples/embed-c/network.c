/*
 * Runs a network:  network FILE.tflite INPUT >OUTPUTS
 *
 * INPUT holds the raw values of its input, of one run or of several, one behind the other; raw outputs go to stdout, run
 * after run.
 */
#include "graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The whole of a file. */
static void *read_file(const char *path, u32 *size) {
  FILE *file = fopen(path, "rb");
  void *bytes = NULL;
  if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
    *size = (u32)ftell(file);
    rewind(file);
    bytes = malloc(*size + 1);
    if (bytes != NULL && fread(bytes, 1, *size, file) != *size) bytes = NULL;
    fclose(file);
  }
  if (bytes == NULL) {
    perror(path);
    exit(1);
  }
  return bytes;
}

static int fail(limpet_graph *g) {
  u32 length;
  const char *words = limpet_graph_error(g, &length);
  fprintf(stderr, "network: %.*s\n", (int)length, words);
  return 1;
}

int main(int argc, char **argv) {
  static limpet_graph g;
  u32 file_size, input_size, size;
  if (argc != 3) {
    fprintf(stderr, "usage: %s FILE.tflite INPUT >OUTPUTS\n", argv[0]);
    return 2;
  }
  wasm_rt_init();
  const void *file = read_file(argv[1], &file_size);
  const char *input = read_file(argv[2], &input_size);
  if (!limpet_graph_open(&g, 0)) return 1;
  if (!limpet_graph_load(&g, file, file_size, 0)) return fail(&g);
  if (limpet_graph_input(&g, 0, &size) == NULL || input_size == 0 || input_size % size != 0) {
    fprintf(stderr, "network: %s has %u bytes, and a run takes %u\n", argv[2], input_size, size);
    return 1;
  }
  for (u32 at = 0; at < input_size; at += size) {
    memcpy(limpet_graph_input(&g, 0, &size), input + at, size);
    if (!limpet_graph_run(&g)) return fail(&g);
    u32 bytes;
    const void *output;
    for (u32 i = 0; (output = limpet_graph_output(&g, i, &bytes)) != NULL; i++) fwrite(output, 1, bytes, stdout);
  }
  return 0;
}
