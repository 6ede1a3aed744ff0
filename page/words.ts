/** What goes wrong, in words for who reads the page: what it is, and what to do. */
import { LimpetError } from "../src/index.ts";
import { ServerError } from "./served.ts";
import type { Trouble } from "./talk.ts";

/** An error as the page shows it. `place`: where the model that failed is. */
export function troubleOf(error: unknown, place: "page" | "server"): Trouble {
  if (error instanceof ServerError) return serverTrouble(error);
  if (error instanceof LimpetError) return limpetTrouble(error);
  if (place === "server" && (error instanceof TypeError || isTimeout(error))) {
    return {
      title: "The server does not answer",
      words: "Is limpet serve still running? Your talk is kept. Start it again, or go on with a model in this page.",
      helps: ["again", "shipped"],
    };
  }
  return { title: "Something went wrong", words: plain(error), helps: ["again", "models"] };
}

/** Whether less of the conversation may fit: it is longer than the model's context, or than the memory has room for. */
export function doesNotFit(error: unknown): boolean {
  return isTooLong(error) || (error instanceof LimpetError && error.code === "OUT_OF_MEMORY");
}

/** Whether the conversation is longer than the model's context. */
function isTooLong(error: unknown): boolean {
  if (error instanceof ServerError) return error.code === "context_length_exceeded";
  return error instanceof LimpetError && error.code === "CONTEXT_FULL";
}

function serverTrouble(error: ServerError): Trouble {
  const words = plain(error);
  if (error.status === 401) return { title: "The server wants a key", words, helps: ["key"] };
  if (isTooLong(error)) return tooLong();
  if (error.status === 429) {
    return { title: "The server is busy", words: "Others wait already. Try again in a moment.", helps: ["again"] };
  }
  if (error.status === 404) return { title: "The server has no such model", words, helps: ["models"] };
  if (error.status === 503) return { title: "The server is short of memory", words, helps: ["again", "models"] };
  return { title: "The server refuses", words, helps: ["again", "settings"] };
}

function limpetTrouble(error: LimpetError): Trouble {
  const words = plain(error);
  switch (error.code) {
    case "OUT_OF_MEMORY":
      return {
        title: "There is not enough memory",
        words: "Take a smaller model, or a shorter context in the settings, or close other tabs.",
        helps: ["models", "settings"],
      };
    case "BAD_FILE":
      return { title: "This file is no model, or it is broken", words, helps: ["models"] };
    case "UNSUPPORTED":
      return { title: "This model does not run here", words, helps: ["models"] };
    case "CONTEXT_FULL":
      return tooLong();
    case "BAD_ARGUMENT":
      return { title: "That cannot be", words, helps: ["settings", "models"] };
    case "HOST":
      return { title: "That could not be fetched or kept", words, helps: ["again", "models"] };
    default:
      return { title: "The model stopped", words, helps: ["again"] };
  }
}

function tooLong(): Trouble {
  return {
    title: "This is longer than the model's context",
    words: "Shorten what you wrote, give the context more tokens in the settings, or take a model with a longer one.",
    helps: ["settings", "models"],
  };
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

/** An error's own words, without what is for command lines and programs. */
function plain(error: unknown): string {
  const words = error instanceof Error ? error.message : String(error);
  const clean = words.replace(/\s*\([^()]*(--|\{)[^()]*\)/g, "").trim();
  const sentence = clean.charAt(0).toUpperCase() + clean.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
