/**
 * Qwen3-Reranker: a causal model that says whether a document answers a query, by the logits of "yes" and "no". Its folder
 * is that of any qwen3, and its card alone says what it is for; the file has these two rows of the head, and the words of
 * its card around the texts.
 */
import { decodeText } from "../../bindings/memory.ts";
import { Pooling } from "../../bindings/numbers.ts";
import { LimpetError } from "../host/errors.ts";
import { named, vector } from "./decoder.ts";
import { type Folder, isObject } from "./folder.ts";
import type { Plan } from "./plan.ts";
import type { Checkpoint } from "./safetensors.ts";

const TITLE = /^# Qwen3-Reranker/m;
/** The title stands behind the card's head. */
const CARD_BYTES = 1 << 16;
const LABELS = ["yes", "no"];

/** As the card and llama.cpp's converter have it, with the instruction that is meant where none is given. */
const TEMPLATE =
  "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. " +
  'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n<Instruct>: Given a web search query, ' +
  "retrieve relevant passages that answer the query\n<Query>: {query}\n<Document>: {document}<|im_end|>\n" +
  "<|im_start|>assistant\n<think>\n\n</think>\n\n";

/** The plan, as one that ranks where the folder's card says so. */
export function withRanking(plan: Plan, folder: Folder, { tensors: given }: Checkpoint): Plan {
  if (plan.architecture !== "qwen3" || !folder.has("README.md")) return plan;
  if (!TITLE.test(decodeText(folder.head("README.md", CARD_BYTES)))) return plan;
  const head = plan.tensors.find(({ name, sources }) => name === "output.weight" && given.has(sources[0]));
  const embedding = plan.tensors.find(({ name }) => name === "token_embd.weight")!;
  const { sources, shape } = head ?? embedding;
  const [hidden, vocabulary] = shape;
  const model = folder.jsonOrNone("tokenizer.json")["model"];
  const vocab = isObject(model) && isObject(model["vocab"]) ? model["vocab"] : {};
  const rows = LABELS.map((label) => {
    const id = Object.hasOwn(vocab, label) ? vocab[label] : undefined;
    if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabulary) return id as number;
    throw new LimpetError(
      "BAD_FILE",
      `${folder.place("tokenizer.json")} has no token "${label}", which ranks documents`,
    );
  });
  return {
    ...plan,
    ownMetadata: [
      ...plan.ownMetadata,
      ...named(plan.architecture, [
        ["pooling_type", "u32", Pooling.RANK],
        ["classifier.output_labels", "string[]", LABELS],
      ]),
      ["tokenizer.chat_template.rerank", "string", TEMPLATE],
    ],
    tensors: [
      ...plan.tensors.filter(({ name }) => name !== "output.weight"),
      {
        ...vector("cls.output.weight", sources[0], 0),
        shape: [hidden, LABELS.length],
        sourceShape: [vocabulary, hidden],
        rowOf: (row) => rows[row],
      },
    ],
  };
}
