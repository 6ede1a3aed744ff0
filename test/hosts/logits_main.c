/* logits MODEL.gguf TOKEN…: prints the hash of the logits of these tokens. */
#include <stdio.h>
#include <stdlib.h>

#include "logits.h"

static int read_file(void *file, u64 offset, void *target, u32 length) {
  return fseek(file, (long)offset, SEEK_SET) == 0 && fread(target, 1, length, file) == length;
}

int main(int count, char **arguments) {
  static limpet l;
  static u32 tokens[256];
  char hash[17];
  FILE *file = count > 2 && count < 258 ? fopen(arguments[1], "rb") : NULL;
  if (file == NULL) return 2;
  for (int i = 2; i < count; i++) tokens[i - 2] = (u32)strtoul(arguments[i], NULL, 10);
  wasm_rt_init();
  if (!limpet_open(&l)) return 1;
  fseek(file, 0, SEEK_END);
  const u32 model = limpet_load(&l, (u64)ftell(file), read_file, file, LIMPET_RESIDENT);
  limpet_hash_text(model ? limpet_logits_hash(&l, model, tokens, (u32)(count - 2)) : 0, hash);
  puts(hash);
  return 0;
}
