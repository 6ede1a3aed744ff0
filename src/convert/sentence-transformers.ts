/**
 * What the folder of a sentence-transformers model says beside its config.json: how rows are pooled (modules.json,
 * 1_Pooling), linear maps behind that (2_Dense …), and prompts. What a file cannot say is refused by name.
 */
import { Pooling } from "../../bindings/numbers.ts";
import { LimpetError } from "../host/errors.ts";
import { parseJson } from "../host/json.ts";
import type { GgufEntry } from "../load/gguf-entries.ts";
import { linear } from "./decoder.ts";
import { Config, type Folder, isObject, type Json, said } from "./folder.ts";
import type { Plan, PlannedTensor } from "./plan.ts";
import type { Checkpoint } from "./safetensors.ts";

/** How a config says that rows are pooled, and the number that a file has for it. */
const POOLINGS: Readonly<Record<string, number>> = {
  pooling_mode_mean_tokens: Pooling.MEAN,
  pooling_mode_cls_token: Pooling.CLS,
  pooling_mode_lasttoken: Pooling.LAST,
};
const POOLING_WORDS: Readonly<Record<string, number>> = {
  mean: Pooling.MEAN,
  cls: Pooling.CLS,
  lasttoken: Pooling.LAST,
};

/** The names of the file for the first linear map, and for the second. */
const DENSE = ["dense_2", "dense_3"] as const;

/** A step of such a model behind its transformer. */
interface Module {
  readonly type: string;
  readonly path: string;
}

/** The plan with what the folder says of texts. */
export function withTexts(plan: Plan, folder: Folder, checkpoint: Checkpoint): Plan {
  const keys: GgufEntry[] = [];
  const tensors: PlannedTensor[] = [];
  const maps: Module[] = [];
  for (const module of modulesOf(folder)) {
    if (module.type === "Pooling") keys.push([`${plan.architecture}.pooling_type`, "u32", poolingOf(folder, module)]);
    else maps.push(module);
  }
  if (maps.length > DENSE.length) {
    throw refusal(folder, "modules.json", `it has ${maps.length} linear maps, and a file has room for ${DENSE.length}`);
  }
  for (const [i, { path }] of maps.entries()) {
    const [columns, rows] = addDense(folder, path, checkpoint);
    const name = DENSE[i];
    keys.push(
      [`${plan.architecture}.${name}_feat_in`, "u32", columns],
      [`${plan.architecture}.${name}_feat_out`, "u32", rows],
    );
    const [weight, bias] = linear(name, `${path}/linear`, columns, rows, { optional: true });
    tensors.push({ ...weight, optional: false }, bias);
  }
  keys.push(...promptEntries(folder));
  return { ...plan, ownMetadata: [...plan.ownMetadata, ...keys], tensors: [...plan.tensors, ...tensors] };
}

/** The modules of the model that do something to its rows. */
function modulesOf(folder: Folder): Module[] {
  if (!folder.has("modules.json")) return [];
  let list: unknown;
  try {
    list = parseJson(folder.text("modules.json"));
  } catch (error) {
    throw new LimpetError("BAD_FILE", `${folder.place("modules.json")} is no JSON`, { cause: error });
  }
  if (!Array.isArray(list)) throw new LimpetError("BAD_FILE", `${folder.place("modules.json")} is no list of modules`);
  return list.flatMap((module): Module[] => {
    const { type, path } = isObject(module) ? module : {};
    const word = typeof type === "string" ? type.slice(type.lastIndexOf(".") + 1) : "";
    if (word === "Transformer" || word === "Normalize") return [];
    if ((word !== "Pooling" && word !== "Dense") || typeof path !== "string" || !/^[\w.-]+$/.test(path)) {
      const shown = JSON.stringify(isObject(module) ? [type, path] : module).slice(0, 120);
      throw refusal(folder, "modules.json", `${shown} is no module that a GGUF file has a place for`);
    }
    return [{ type: word, path }];
  });
}

function poolingOf(folder: Folder, { path }: Module): number {
  const place = `${path}/config.json`;
  const given = folder.json(place);
  if (given["include_prompt"] === false) {
    throw refusal(folder, place, "include_prompt is false, and no file says that a prompt's rows are left out");
  }
  const word = given["pooling_mode"];
  if (typeof word === "string" && Object.hasOwn(POOLING_WORDS, word)) return POOLING_WORDS[word];
  const modes = Object.keys(given).filter((key) => key.startsWith("pooling_mode") && given[key]);
  if (modes.length === 1 && Object.hasOwn(POOLINGS, modes[0])) return POOLINGS[modes[0]];
  const shown = typeof word === "string" ? word : modes.join(" and ") || "no pooling";
  throw refusal(folder, place, `it pools by ${shown}, and a file has mean, cls and lasttoken, one of them`);
}

/** Puts the tensors of a linear map among those of the checkpoint; its columns and rows. */
function addDense(folder: Folder, path: string, checkpoint: Checkpoint): [columns: number, rows: number] {
  const place = `${path}/config.json`;
  const given: Json = folder.json(place);
  const activation = given["activation_function"];
  if (activation !== undefined && !/(^|\.)Identity$/.test(String(activation))) {
    throw refusal(folder, place, `activation_function is ${said(activation)}, and a file has linear maps alone`);
  }
  const config = new Config(folder.place(place), given);
  checkpoint.add(folder, `${path}/model.safetensors`, `${path}/`);
  return [config.size("in_features"), config.size("out_features")];
}

/** What stands before texts of each kind. */
function promptEntries(folder: Folder): GgufEntry[] {
  const prompts = folder.jsonOrNone("config_sentence_transformers.json")["prompts"];
  if (!isObject(prompts)) return [];
  return Object.entries(prompts).flatMap(([name, text]): GgufEntry[] =>
    typeof text === "string" && text !== "" ? [[`sentence_transformers.prompts.${name}`, "string", text]] : [],
  );
}

function refusal(folder: Folder, name: string, words: string): LimpetError {
  return new LimpetError("UNSUPPORTED", `${folder.place(name)}: ${words}`);
}
