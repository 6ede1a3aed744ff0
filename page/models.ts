/**
 * The models that the page can open, by name: `server:NAME` on the server; in the page `page:shipped`,
 * `page:hf:owner/repository:FORMAT`, `page:https://…`, and `page:file:NAME`, which the reader has to open anew after a reload.
 */
import { deleteCached, listCached } from "../src/cache.ts";
import { keptModels, removeKept } from "../src/store/by-name.ts";

/** A model of the list. */
export interface ListedModel {
  readonly id: string;
  readonly name: string;
  readonly words: string;
  /** Bytes of its file, about. */
  readonly bytes: number;
}

export const SHIPPED = "page:shipped";
export const SHIPPED_URL: string = new URL("models/tales-plm-q4_k_m.gguf", document.baseURI).href;
const SHIPPED_NAME = "Tales";

/** What a small machine runs well, the smallest first. Sizes are about right; the hub says them to the byte. */
export const CATALOGUE: readonly ListedModel[] = [
  {
    id: SHIPPED,
    name: SHIPPED_NAME,
    words: "Comes with the page. It follows no instructions: it goes on with a fairy tale that you begin.",
    bytes: 3_868_352,
  },
  {
    id: "page:hf:bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M",
    name: "SmolLM2 135M",
    words: "The smallest that chats. English; quick on any machine, and often wrong.",
    bytes: 105e6,
  },
  {
    id: "page:hf:LiquidAI/LFM2-350M-GGUF:Q4_K_M",
    name: "LFM2 350M",
    words: "Small and quick, eight languages, calls tools.",
    bytes: 229e6,
  },
  {
    id: "page:hf:unsloth/gemma-3-270m-it-GGUF:Q4_K_M",
    name: "Gemma 3 270M",
    words: "Google's smallest; many languages, little knowledge.",
    bytes: 253e6,
  },
  {
    id: "page:hf:bartowski/SmolLM2-360M-Instruct-GGUF:Q4_K_M",
    name: "SmolLM2 360M",
    words: "English; a good start on a phone.",
    bytes: 271e6,
  },
  {
    id: "page:hf:unsloth/Qwen3-0.6B-GGUF:Q4_K_M",
    name: "Qwen3 0.6B",
    words: "Thinks before it answers, calls tools, a hundred languages.",
    bytes: 397e6,
  },
  {
    id: "page:hf:LiquidAI/LFM2-1.2B-GGUF:Q4_K_M",
    name: "LFM2 1.2B",
    words: "Quick for its size, eight languages, calls tools.",
    bytes: 731e6,
  },
  {
    id: "page:hf:bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M",
    name: "Llama 3.2 1B",
    words: "Good at summing up and rewriting.",
    bytes: 808e6,
  },
  {
    id: "page:hf:unsloth/Qwen3-1.7B-GGUF:Q4_K_M",
    name: "Qwen3 1.7B",
    words: "Thinks, reasons, calls tools. Wants a quick machine.",
    bytes: 1.11e9,
  },
];

/** A model that the browser keeps, whole or begun. */
export interface KeptFile {
  readonly id: string;
  readonly name: string;
  readonly bytes: number;
  readonly size: number;
  readonly complete: boolean;
}

export const isShipped = (id: string): boolean => id === SHIPPED;
export const isServed = (id: string): boolean => id.startsWith("server:");
export const isFile = (id: string): boolean => id.startsWith("page:file:");
export const isHubModel = (id: string): boolean => id.startsWith("page:hf:");

/** The name of a model for people: that of the list, or of its file. */
export function shownName(id: string): string {
  const listed = CATALOGUE.find((model) => model.id === id);
  if (listed) return listed.name;
  if (isServed(id)) return id.slice("server:".length);
  const name = id.replace(/^page:(file:)?/, "");
  return (name.split("/").at(-1) ?? name).replace(/(-00001-of-\d+)?\.gguf$/i, "");
}

/** The id of what a reader has written: a hub's name or an address; null: neither. */
export function idOf(written: string): string | null {
  const text = written.trim();
  const page = text.match(
    /^https?:\/\/huggingface\.co\/([\w.-]+\/[\w.-]+?)(?:\/(?:resolve|blob)\/([^/]+)\/([^?]+))?\/?(?:\?.*)?$/,
  );
  if (page) {
    const [, repository, revision, file] = page;
    if (!file) return `page:hf:${repository}`;
    return `page:hf:${repository}/${decodeURIComponent(file)}${revision === "main" ? "" : `@${revision}`}`;
  }
  if (/^hf:[\w.-]+\/[\w.-]+/.test(text)) return `page:${text}`;
  if (/^[\w.-]+\/[\w.-]+(:\w+)?$/.test(text)) return `page:hf:${text}`;
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return `page:${new URL(text).href}`;
  return null;
}

/** What the browser keeps of models; nothing where it keeps none. */
export async function keptFiles(): Promise<KeptFile[]> {
  try {
    const [hub, all] = await Promise.all([keptModels(), listCached()]);
    const named = new Set(hub.map(({ url }) => url));
    return [
      ...hub.map(({ name, bytes, size, complete }) => {
        return { id: listedId(name), name: shownName(`page:${name}`), bytes, size, complete };
      }),
      ...all
        .filter(({ url }) => !named.has(url))
        .map(({ url, bytes, complete }) => {
          return { id: `page:${url}`, name: shownName(`page:${url}`), bytes, size: bytes, complete };
        }),
    ];
  } catch {
    return [];
  }
}

/** The list's id of a kept file, `hf:owner/repository/NAME-FORMAT.gguf`, where the list has it. */
function listedId(name: string): string {
  const [, repository, file = ""] = /^hf:([^/]+\/[^/]+)\/(.+?)(?:@.*)?$/.exec(name) ?? [];
  const listed = CATALOGUE.find(({ id }) => {
    const [, , place = "", format = ""] = id.split(":");
    return place === repository && new RegExp(`(^|[-._])${format}(?=[-.])`, "i").test(file);
  });
  return listed?.id ?? `page:${name}`;
}

/** Forgets what the browser keeps of a model. */
export async function forget(id: string): Promise<void> {
  if (isHubModel(id)) await removeKept(id.slice("page:".length));
  else await deleteCached(id.slice("page:".length));
}

/** Whether a file of so many bytes runs on this machine. */
export function fitOf(bytes: number): "well" | "tight" | "not" {
  const { deviceMemory = 4 } = navigator as { deviceMemory?: number };
  // The weights, and a conversation's cache; a memory of WebAssembly has 4 GiB.
  const need = bytes * 1.1 + 200e6;
  if (need > Math.min(4 * 2 ** 30, deviceMemory * 2 ** 30 * 0.9)) return "not";
  return need > deviceMemory * 2 ** 30 * 0.5 ? "tight" : "well";
}
