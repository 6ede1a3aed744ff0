/**
 * A query and a document as the tokens of a model that ranks: by the template of its file, or side by side with the
 * vocabulary's own separators.
 *
 *     BERT      [CLS] query [SEP] document [SEP]
 *     RoBERTa   <s> query </s> </s> document </s>
 *     template  its words, with control tokens; {query} and {document} are text, whatever they say
 */
import { Model } from "./model";
import { allocate, release } from "../memory/arena";
import { Buffer, appendBytes, createBuffer } from "../memory/buffer";
import { sameText, setU32 } from "../memory/bytes";
import { Core, ErrorCode, fail } from "../memory/core";
import { stringBytes, stringLength, textOr } from "../files/gguf";
import { Plain } from "../text/partition";
import { TokenizeFlag, tokenize, tokenizePlain } from "../text/tokenize";
import { Tokenizer, tokenLength, tokenText } from "../text/tokenizer";

/** Most places of a template where a text stands. */
const SPAN_LIMIT: u32 = 16;

/**
 * Writes the first `capacity` tokens to `target` (u32) and returns how many there are, which may be more; below zero:
 * an error.
 */
export function pairTokens(
  core: Core, model: Model, query: usize, queryLength: u32, document: usize, documentLength: u32, target: usize,
  capacity: u32,
): i32 {
  const template = textOr(core, model.gguf, "tokenizer.chat_template.rerank");
  if (template != 0) {
    return byTemplate(core, model, template, query, queryLength, document, documentLength, target, capacity);
  }
  const t = changetype<Tokenizer>(model.tokenizer);
  const end = t.sep >= 0 ? t.sep : t.eos;
  let count: u32 = put(t.bos, target, 0, capacity);
  let status = putTokens(core, t, query, queryLength, target, count, capacity);
  if (status < 0) return status;
  count = put(end, target, <u32>status, capacity);
  if (end >= 0 && sameText(tokenText(t, <u32>end), tokenLength(t, <u32>end), "</s>")) {
    count = put(end, target, count, capacity);
  }
  status = putTokens(core, t, document, documentLength, target, count, capacity);
  return status < 0 ? status : <i32>put(end, target, <u32>status, capacity);
}

/** Puts a token behind `count` others, if there is one; returns how many there are then. */
function put(token: i32, target: usize, count: u32, capacity: u32): u32 {
  if (token < 0) return count;
  if (count < capacity) setU32(target, count, <u32>token);
  return count + 1;
}

function putTokens(core: Core, t: Tokenizer, text: usize, length: u32, target: usize, count: u32, capacity: u32): i32 {
  const room = count < capacity ? capacity - count : 0;
  const more = tokenize(core, t, text, length, 0, target + ((<usize>count) << 2), room);
  return more < 0 ? more : <i32>count + more;
}

function byTemplate(
  core: Core, model: Model, template: usize, query: usize, queryLength: u32, document: usize, documentLength: u32,
  target: usize, capacity: u32,
): i32 {
  const t = changetype<Tokenizer>(model.tokenizer);
  const plain = changetype<Plain>(allocate(core, offsetof<Plain>() + SPAN_LIMIT * 8, "a pair of texts"));
  if (changetype<usize>(plain) == 0) return core.errorCode;
  const words = createBuffer(core, 1024, "a pair of texts");
  plain.spans = changetype<usize>(plain) + offsetof<Plain>();
  plain.template = stringBytes(template);
  plain.templateLength = stringLength(template);
  let status = fill(core, words, plain, query, queryLength, document, documentLength);
  if (status >= 0) {
    status = tokenizePlain(core, t, words.at, words.length, TokenizeFlag.PARSE_SPECIAL, plain, target, capacity);
  }
  if (changetype<usize>(words) != 0) release(core, words.at);
  release(core, changetype<usize>(words));
  release(core, changetype<usize>(plain));
  return status;
}

/** The words of the template, with the texts in their places, which `plain` remembers. */
function fill(
  core: Core, words: Buffer, plain: Plain, query: usize, queryLength: u32, document: usize, documentLength: u32,
): i32 {
  const end = plain.template + plain.templateLength;
  let from = plain.template;
  let at = from;
  while (true) {
    const left = <u32>(end - at);
    const isQuery = left >= 7 && sameText(at, 7, "{query}");
    const isDocument = left >= 10 && sameText(at, 10, "{document}");
    if (at < end && !isQuery && !isDocument) {
      at += 1;
      continue;
    }
    const status = appendBytes(core, words, from, <u32>(at - from));
    if (status < 0 || at == end) return status;
    if (plain.count == SPAN_LIMIT) {
      return fail(
        core, ErrorCode.UNSUPPORTED, "the file's template for ranking names its texts in more than {} places",
        SPAN_LIMIT,
      );
    }
    setU32(plain.spans, 2 * plain.count, words.length);
    const put = appendBytes(core, words, isQuery ? query : document, isQuery ? queryLength : documentLength);
    if (put < 0) return put;
    setU32(plain.spans, 2 * plain.count + 1, words.length);
    plain.count += 1;
    from = at + (isQuery ? 7 : 10);
    at = from;
  }
}
