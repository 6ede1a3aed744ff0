/* The calls of the core in their order: docs/embedding.md lists all there are. */
#include "host.h"

#include <string.h>

#define CALL(name, ...) Z_limpetZ_##name(&l->wasm, __VA_ARGS__)

enum { FLAGS = LIMPET_TOKENIZE_FLAG_ADD_SPECIAL | LIMPET_TOKENIZE_FLAG_PARSE_SPECIAL };

int limpet_open(limpet *l) {
  Z_limpet_init_module();
  Z_limpet_instantiate(&l->wasm);
  l->core = Z_limpetZ_core_create(&l->wasm);
  return l->core != 0;
}

void *limpet_at(limpet *l, u32 pointer) {
  return Z_limpetZ_memory(&l->wasm)->data + pointer;
}

u32 limpet_load(limpet *l, u64 size, limpet_reader read, void *file, u32 weights) {
  u32 model = CALL(model_create, l->core, 1, 0);
  l->read = read;
  l->file = file;
  if (model == 0 || (s32)CALL(model_set_file_size, model, 0, size) < 0) return 0;
  if ((s32)CALL(model_stream, model, weights, 0) < 0) return 0;
  for (;;) {
    s32 status = (s32)CALL(model_step, model);
    if (status == LIMPET_STATUS_DONE) return model;
    if (status < 0) return 0;
    if (status != LIMPET_STATUS_NEED_DATA) continue;
    void *target = limpet_at(l, CALL(model_request_destination, model));
    if (!read(file, CALL(model_request_offset, model), target, CALL(model_request_length, model))) return 0;
  }
}

/* Hands a pass the pieces of the file that it asks for. */
static int feed(limpet *l, u32 context) {
  const u32 count = CALL(context_request_count, context);
  for (u32 i = 0; i < count; i++) {
    void *target = limpet_at(l, CALL(context_request_destination, context, i));
    const u32 length = CALL(context_request_length, context, i);
    if (!l->read(l->file, CALL(context_request_offset, context, i), target, length)) return 0;
  }
  return 1;
}

int limpet_pass(limpet *l, u32 context) {
  s32 status;
  while ((status = (s32)CALL(context_step, context)) > 0) {
    if (status == LIMPET_STATUS_NEED_DATA && !feed(l, context)) return -1;
  }
  return status;
}

int limpet_generate(limpet *l, u32 model, const char *prompt, u32 rows, u32 batch, u32 tokens, limpet_writer write) {
  u32 length = (u32)strlen(prompt);
  s32 status = -1;
  u32 context = CALL(context_create, l->core, model, rows, batch, 1, 1, LIMPET_KV_TYPE_F16);
  u32 session = context ? CALL(session_create, l->core, context, 0) : 0;
  u32 text = session ? CALL(core_allocate, l->core, length + 1) : 0;
  if (text != 0) {
    memcpy(limpet_at(l, text), prompt, length);
    status = (s32)CALL(session_append_text, session, text, length, FLAGS);
    CALL(core_release, l->core, text);
  }
  if (status >= 0) status = (s32)CALL(session_begin, session, tokens, 0, 0);
  while (status >= 0 && (status = (s32)CALL(session_step, session)) != LIMPET_STATUS_DONE) {
    if (status == LIMPET_STATUS_NEED_DATA && !feed(l, context)) status = -1;
    if (status == LIMPET_STATUS_TOKEN) write(limpet_at(l, CALL(session_text, session)), CALL(session_text_length, session));
  }
  if (session) CALL(session_release, session);
  if (context) CALL(context_release, context);
  return status;
}

const char *limpet_error(limpet *l, u32 *length) {
  *length = CALL(error_message_length, l->core);
  return limpet_at(l, CALL(error_message, l->core));
}
