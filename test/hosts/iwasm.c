/*
 * WAMR's command line as far as the tests need it, over the library (wasm_export.h), for machines that have no iwasm:
 *
 *     iwasm [--stack-size=BYTES] [--dir=FOLDER] FILE.wasm ARGUMENTS…
 *     iwasm --memory FILE.wasm                   prints the bytes of linear memory that the module begins with
 *     iwasm --version
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasm_export.h"

static uint8_t *read_whole(const char *path, uint32_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  *size = (uint32_t)ftell(file);
  rewind(file);
  uint8_t *bytes = malloc(*size);
  if (bytes != NULL && fread(bytes, 1, *size, file) != *size) bytes = NULL;
  fclose(file);
  return bytes;
}

static int fail(const char *words) {
  fprintf(stderr, "iwasm: %s\n", words);
  return 1;
}

int main(int count, char **arguments) {
  uint32_t stack = 64 * 1024, size = 0;
  const char *folder = NULL;
  char words[256] = "the file cannot be read";
  int at = 1, show_memory = 0;
  if (!wasm_runtime_init()) return fail("the runtime does not start");
  for (; at < count && strncmp(arguments[at], "--", 2) == 0; at++) {
    if (sscanf(arguments[at], "--stack-size=%u", &stack) == 1) continue;
    if (strncmp(arguments[at], "--dir=", 6) == 0) folder = arguments[at] + 6;
    if (strcmp(arguments[at], "--memory") == 0) show_memory = 1;
    if (strcmp(arguments[at], "--version") == 0) {
      uint32_t major, minor, patch;
      wasm_runtime_get_version(&major, &minor, &patch);
      return printf("iwasm %u.%u.%u\n", major, minor, patch) < 0;
    }
  }
  if (at == count) return fail("which file?");
  uint8_t *bytes = read_whole(arguments[at], &size);
  wasm_module_t module = bytes ? wasm_runtime_load(bytes, size, words, sizeof words) : NULL;
  if (module == NULL) return fail(words);
  wasm_runtime_set_wasi_args(module, &folder, folder != NULL, NULL, 0, NULL, 0, arguments + at, count - at);
  wasm_module_inst_t instance = wasm_runtime_instantiate(module, stack, 0, words, sizeof words);
  if (instance == NULL) return fail(words);
  if (show_memory) {
    wasm_memory_inst_t memory = wasm_runtime_get_default_memory(instance);
    const uint64_t bytes = wasm_memory_get_cur_page_count(memory) * wasm_memory_get_bytes_per_page(memory);
    return printf("%llu\n", (unsigned long long)bytes) < 0;
  }
  if (!wasm_application_execute_main(instance, count - at, arguments + at)) {
    return fail(wasm_runtime_get_exception(instance));
  }
  return (int)wasm_runtime_get_wasi_exit_code(instance);
}
