/**
 * tokenizer.model: the vocabulary of SentencePiece, a protocol buffer.
 *
 *     ModelProto     1: SentencePiece, repeated · 2: TrainerSpec · 3: NormalizerSpec
 *     SentencePiece  1: text · 2: score (f32) · 3: type, with the numbers that GGUF has taken over
 *     TrainerSpec    3: kind of model (1: unigrams, 2: BPE) · 24: spaces belong to the word before · 40 to 43: ids of unk, bos, eos, pad
 *     NormalizerSpec 2: map of characters · 3: a text begins with a space · 4: spaces are run together (if not said, too)
 */
import { decodeText, encodeText } from "../../bindings/memory.ts";
import { LimpetError } from "../host/errors.ts";
import { putToken, TokenType, type Vocabulary } from "./vocabulary.ts";

const UNIGRAMS = 1;
const BPE = 2;

/** What the file says beside its pieces. */
export interface PieceSettings {
  /** A text begins with a space that it does not have. */
  readonly prefix?: boolean;
  /** Ids of special tokens by their names. */
  readonly ids?: ReadonlyMap<string, number>;
  /** Unigrams, not BPE: spaces in a row are one, the map of characters, and whether texts end with EOS. */
  readonly unigrams?: boolean;
  readonly joins?: boolean;
  readonly map?: Uint8Array;
  readonly ends?: boolean;
}

const IDS: Readonly<Record<number, string>> = { 40: "unk", 41: "bos", 42: "eos", 43: "pad" };

type Field = { number: number; value: number; bytes: Uint8Array };

export function readSentencePiece(bytes: Uint8Array, to: Vocabulary, place: string): PieceSettings {
  const wrong = (words: string) => new LimpetError("BAD_FILE", `${place}: ${words}`);
  const unknown = (words: string) => new LimpetError("UNSUPPORTED", `${place}: ${words}: a GGUF file cannot say it`);
  const ids = new Map<string, number>();
  let prefix: boolean | undefined;
  let map: Uint8Array | undefined;
  let [kind, joins, normalizes] = [BPE, true, false];
  let id = 0;
  for (const field of fieldsOf(bytes, wrong)) {
    if (field.number === 1) {
      let [text, score, type] = ["", 0, TokenType.NORMAL as number];
      for (const { number, value, bytes: inner } of fieldsOf(field.bytes, wrong)) {
        if (number === 1) text = pieceText(inner, id, wrong);
        else if (number === 2) score = value;
        else if (number === 3) type = value;
      }
      putToken(to, id++, text, type, score, wrong);
    } else if (field.number === 2) {
      const fields = [...fieldsOf(field.bytes, wrong)];
      kind = fields.find(({ number }) => number === 3)?.value ?? UNIGRAMS;
      if (kind !== BPE && kind !== UNIGRAMS) {
        const words = `${place}: limpet knows SentencePiece's BPE and unigrams, and this is another kind`;
        throw new LimpetError("UNSUPPORTED", words);
      }
      for (const { number, value } of fields) {
        if (number === 24 && value) throw unknown("it has spaces at the ends of words");
        if (number in IDS) ids.set(IDS[number], value);
      }
    } else if (field.number === 3) {
      for (const { number, value, bytes: inner } of fieldsOf(field.bytes, wrong)) {
        if (number === 2 && inner.length) map = inner;
        if (number === 3) prefix = value !== 0;
        if (number === 4) joins = value !== 0;
      }
      normalizes = true;
    }
  }
  if (id === 0) throw wrong("it holds no pieces");
  if (kind === UNIGRAMS) return { prefix, ids, unigrams: true, joins, map };
  if (map) throw unknown("its normalizer changes characters");
  if (normalizes && joins) throw unknown("its normalizer runs spaces together");
  return { prefix, ids };
}

function pieceText(bytes: Uint8Array, id: number, wrong: (words: string) => LimpetError): string {
  const text = decodeText(bytes);
  const same = encodeText(text);
  if (same.length === bytes.length && same.every((byte, i) => byte === bytes[i])) return text;
  throw wrong(`its piece ${id} is no UTF-8, so that its text is not known`);
}

/** The fields of a message; a varint's or a float's value, a message's or a text's bytes. */
function* fieldsOf(bytes: Uint8Array, wrong: (words: string) => LimpetError): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= bytes.length || scale > 2 ** 63) throw wrong("it is no SentencePiece model, or cut short");
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag & 7;
    const field: Field = { number: Math.floor(tag / 8), value: 0, bytes: bytes.subarray(0, 0) };
    const length = kind === 0 ? 0 : kind === 1 ? 8 : kind === 5 ? 4 : kind === 2 ? varint() : Number.POSITIVE_INFINITY;
    if (length > bytes.length - at) throw wrong("it is no SentencePiece model, or cut short");
    if (kind === 0) field.value = varint();
    else if (kind === 5) field.value = view.getFloat32(at, true);
    else field.bytes = bytes.subarray(at, at + length);
    at += length;
    yield field;
  }
}
