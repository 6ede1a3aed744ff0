/* The conformance check in C: FNV-1a of the logits of tokens, which go through the model one by one. */
#ifndef LIMPET_LOGITS_H
#define LIMPET_LOGITS_H

#include "host.h"

/* 0 when it failed. */
u64 limpet_logits_hash(limpet *l, u32 model, const u32 *tokens, u32 count);

/* The hash as 16 digits and a zero. */
void limpet_hash_text(u64 hash, char text[17]);

#endif
