#include "logits.h"

#define CALL(name, ...) Z_limpetZ_##name(&l->wasm, __VA_ARGS__)

static void put(limpet *l, u32 pointer, u32 value) { memcpy(limpet_at(l, pointer), &value, 4); }

u64 limpet_logits_hash(limpet *l, u32 model, const u32 *tokens, u32 count) {
  u64 hash = 0xcbf29ce484222325u;
  const u32 context = CALL(context_create, l->core, model, count, 1, 1, 1, LIMPET_KV_TYPE_F16);
  if (context == 0) return 0;
  CALL(context_set_form, context, LIMPET_FORM_ABSORBED);
  const u32 layers = CALL(model_layers, model);
  const u32 bytes = 4 * CALL(model_vocabulary, model);
  for (u32 i = 0; i < count; i++) {
    put(l, CALL(context_ids, context), tokens[i]);
    put(l, CALL(context_positions, context), i);
    put(l, CALL(context_sequences, context), 0);
    *(u8 *)limpet_at(l, CALL(context_wanted, context)) = 1;
    s32 status = (s32)CALL(context_begin, context, 1, 0, layers);
    if (status < 0 || limpet_pass(l, context) < 0) return 0;
    const u8 *row = limpet_at(l, CALL(context_logits, context));
    for (u32 at = 0; at < bytes; at++) hash = (hash ^ row[at]) * 0x100000001b3u;
  }
  CALL(context_release, context);
  return hash;
}

void limpet_hash_text(u64 hash, char text[17]) {
  for (int digit = 15; digit >= 0; digit--, hash >>= 4) text[digit] = "0123456789abcdef"[hash & 15];
  text[16] = 0;
}
