/**
 * From a file's metadata to its tokenizer: which keys (GGUF, "Tokenizer") become which fields of its source.
 */
import { Status } from "../memory/core";
import { allocate, release } from "../memory/arena";
import { Model } from "./model";
import {
  ValueType, array, arrayOr, findKey, flagOr, nextString, numberOr, stringBytes, stringLength, text, textOr,
} from "../files/gguf";
import { VocabularySource, clearSource } from "../text/tokenizer";
import { createTokenizer, releaseTokenizer } from "../text/vocabulary";

/** Makes the model's tokenizer and learns the size of its vocabulary. */
export function createVocabulary(model: Model): i32 {
  const core = model.core;
  const memory = allocate(core, offsetof<VocabularySource>(), "the vocabulary's keys");
  if (memory == 0) return core.errorCode;
  const source = changetype<VocabularySource>(memory);
  clearSource(source);
  let status = readSource(model, source);
  if (status == Status.DONE) {
    model.tokenizer = createTokenizer(core, source);
    status = model.tokenizer == 0 ? core.errorCode : Status.DONE;
  }
  release(core, memory);
  return status;
}

export function releaseVocabulary(model: Model): void {
  if (model.tokenizer) releaseTokenizer(model.core, model.tokenizer);
  model.tokenizer = 0;
}

function readSource(model: Model, s: VocabularySource): i32 {
  const core = model.core;
  const g = model.gguf;
  const kind = text(core, g, "tokenizer.ggml.model");
  const tokens = array(core, g, "tokenizer.ggml.tokens", ValueType.STRING);
  if (!tokens) return g.error;
  const pre = textOr(core, g, "tokenizer.ggml.pre");
  const name = textOr(core, g, "general.name");
  const scores = arrayOr(core, g, "tokenizer.ggml.scores", ValueType.F32);
  const types = arrayOr(core, g, "tokenizer.ggml.token_type", ValueType.I32);
  const suppressed = arrayOr(core, g, "tokenizer.ggml.suppress_tokens", ValueType.I32);
  const merges = arrayOr(core, g, "tokenizer.ggml.merges", ValueType.STRING);
  const charsmap = arrayOr(core, g, "tokenizer.ggml.precompiled_charsmap", ValueType.U8);
  if (g.error) return g.error;
  s.modelName = stringBytes(kind);
  s.modelNameLength = stringLength(kind);
  if (pre) {
    s.preName = stringBytes(pre);
    s.preNameLength = stringLength(pre);
  }
  if (name) {
    s.generalName = stringBytes(name);
    s.generalNameLength = stringLength(name);
  }
  s.tokens = tokens.value;
  s.tokenCount = tokens.count;
  s.tokensEnd = endOfStrings(tokens.value, tokens.count);
  if (merges) {
    s.merges = merges.value;
    s.mergeCount = merges.count;
    s.mergesEnd = endOfStrings(merges.value, merges.count);
  }
  if (scores) {
    s.scores = scores.value;
    s.scoreCount = scores.count;
  }
  if (types) {
    s.types = types.value;
    s.typeCount = types.count;
  }
  if (suppressed) {
    s.suppressed = suppressed.value;
    s.suppressedCount = suppressed.count;
  }
  if (charsmap) {
    s.charsmap = charsmap.value;
    s.charsmapLength = charsmap.count;
  }
  model.vocabulary = tokens.count;
  readIds(model, s);
  return g.error;
}

function readIds(model: Model, s: VocabularySource): void {
  s.bos = id(model, "tokenizer.ggml.bos_token_id");
  s.eos = id(model, "tokenizer.ggml.eos_token_id");
  s.unk = id(model, "tokenizer.ggml.unknown_token_id");
  s.cls = id(model, "tokenizer.ggml.cls_token_id");
  s.sep = id(model, "tokenizer.ggml.seperator_token_id");
  s.pad = id(model, "tokenizer.ggml.padding_token_id");
  s.mask = id(model, "tokenizer.ggml.mask_token_id");
  s.eot = id(model, "tokenizer.ggml.eot_token_id");
  s.eom = id(model, "tokenizer.ggml.eom_token_id");
  s.fimPre = id(model, "tokenizer.ggml.fim_pre_token_id");
  if (s.fimPre < 0) s.fimPre = id(model, "tokenizer.ggml.prefix_token_id");
  s.fimSuf = id(model, "tokenizer.ggml.fim_suf_token_id");
  if (s.fimSuf < 0) s.fimSuf = id(model, "tokenizer.ggml.suffix_token_id");
  s.fimMid = id(model, "tokenizer.ggml.fim_mid_token_id");
  if (s.fimMid < 0) s.fimMid = id(model, "tokenizer.ggml.middle_token_id");
  s.fimPad = id(model, "tokenizer.ggml.fim_pad_token_id");
  s.fimRep = id(model, "tokenizer.ggml.fim_rep_token_id");
  s.fimSep = id(model, "tokenizer.ggml.fim_sep_token_id");
  s.addBos = flag(model, "tokenizer.ggml.add_bos_token");
  s.addEos = flag(model, "tokenizer.ggml.add_eos_token");
  s.addSep = flag(model, "tokenizer.ggml.add_sep_token");
  s.addSpacePrefix = flag(model, "tokenizer.ggml.add_space_prefix");
  s.removeExtraSpaces = flag(model, "tokenizer.ggml.remove_extra_whitespaces");
  s.lowerCase = flag(model, "tokenizer.ggml.normalizer.lowercase");
  s.stripAccents = flag(model, "tokenizer.ggml.normalizer.strip_accents");
}

/** A token id, or -1 when the key is absent. */
function id(model: Model, key: string): i32 {
  return <i32>numberOr(model.core, model.gguf, key, 0xffff_ffff);
}

function flag(model: Model, key: string): i32 {
  const g = model.gguf;
  return findKey(g, key) ? (flagOr(model.core, g, key, false) ? 1 : 0) : -1;
}

/** The parser has checked that every string lies within the header. */
function endOfStrings(at: usize, count: u32): usize {
  for (let i: u32 = 0; i < count; i++) at = nextString(at);
  return at;
}
