/**
 * Conversations by a chat template that the core does not know, or knows without tools: `@huggingface/jinja` runs it. A file of
 * its own, which is loaded with the interpreter and no sooner.
 */
import { LimpetError } from "../host/errors.ts";
import { Contents, type Told } from "./contents.ts";
import type { Message, Tool } from "./messages.ts";
import type { LoadedModel } from "./sequence-pool.ts";
import { type Jinja, parseTemplate, renderTemplate } from "./template.ts";
import { type TemplateMessage, templateMessages, templateTools } from "./template-messages.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** What is said, with which tools, and what the answer begins with. */
interface Conversation {
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly prefix: string | null;
}

/** Refuses a template that cannot be run. */
export async function requireTemplate(template: string): Promise<void> {
  parseTemplate(await jinjaFor("is none that limpet knows"), template);
}

/** A conversation as its template writes it. `why`: what that template is. */
export async function rendered(
  loaded: LoadedModel,
  template: string,
  { messages, tools, prefix }: Conversation,
  why: string,
): Promise<Told> {
  const { tokenizer } = loaded;
  if (template === "") {
    const words = "the model file has no chat template: it goes on with a text (generate), it does not chat";
    throw new LimpetError("UNSUPPORTED", words);
  }
  const jinja = await jinjaFor(why);
  const { bos, eos } = tokenizer.specials;
  const tokens = {
    bos_token: bos === undefined ? "" : tokenizer.tokenText(bos),
    eos_token: eos === undefined ? "" : tokenizer.tokenText(eos),
  };
  const render = (said: readonly TemplateMessage[], known: readonly object[], answers: boolean = true): string =>
    renderTemplate(jinja, template, said, {
      ...tokens,
      ...(known.length > 0 && { tools: known }),
      add_generation_prompt: answers,
    });
  const contents = contentsOf(tokenizer, template, JSON.stringify([messages, tools, prefix]));
  const hide = (text: string, isAssistant: boolean = false): string => contents.hide(text, isAssistant);
  const [said, known] = [templateMessages(messages, template, hide, render), templateTools(tools, hide)];
  if (!prefix) return contents.show(render(said, known));
  // As Hugging Face has it: the text up to where the template has written the beginning.
  const begins = hide(prefix, true);
  const written = render([...said, { role: "assistant", content: begins }], known, false);
  const at = written.lastIndexOf(begins.trim());
  if (at < 0) throw new LimpetError("UNSUPPORTED", "this model's chat template does not write a prefix as it is");
  const rest = written.slice(at, at + begins.trimStart().length);
  return contents.show(written.slice(0, at) + (rest === begins.trimStart() ? rest : begins.trim()));
}

/** The interpreter of templates, which an application installs that needs it. `why`: what this template is. */
async function jinjaFor(why: string): Promise<Jinja> {
  try {
    return await import("@huggingface/jinja");
  } catch (error) {
    const words = `this model's chat template ${why}; npm install @huggingface/jinja runs any, but not in a worker`;
    throw new LimpetError("UNSUPPORTED", words, { cause: error });
  }
}

function contentsOf(tokenizer: Tokenizer, template: string, texts: string): Contents {
  const cut = tokenizer.cut();
  const controls = cut.filter(({ id, control }) => control || tokenizer.endsGeneration(id));
  return new Contents(
    template,
    [texts],
    cut.map(({ text }) => text),
    new Set(controls.map(({ text }) => text)),
  );
}
