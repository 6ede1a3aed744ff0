/** `limpet chat`: a line in, an answer out, until the input ends. */
import { encodeText } from "../../bindings/memory.ts";
import type { Model } from "../api/model.ts";
import type { Session, SessionOptions } from "../api/session.ts";
import type { GenerateOptions, Generation } from "../generate/generation.ts";
import { randomSeed, recommendedOf, withRecommended } from "../generate/recommended.ts";
import { LimpetError, messageOf } from "../host/errors.ts";
import { splitNames } from "../load/source.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { adaptersOf, openModel, samplingOf, speculateOf, stream, tellEnd } from "./common.ts";
import { constraintOf } from "./grammar.ts";
import type { Io } from "./io.ts";

const NO_CHAT_MODEL =
  "the model that ships goes on with texts and answers nobody: limpet generate -p TEXT, or name one: limpet chat MODEL.gguf";

/** What a person can say to the command itself. */
const COMMANDS = `/help          these lines
/save FILE     write the conversation as JSON
/retry         answer the last turn anew
/reset         begin anew
/exit          end the talk, as Ctrl-D does
Ctrl-C ends an answer and not the talk. A text of several lines can be pasted.`;

interface Talk {
  readonly model: Model;
  session: Session;
  /** Of the session's first answer, from which the others go on; and whether that has begun. */
  seed: number | bigint;
  isSeeded: boolean;
  readonly settings: SessionOptions;
  readonly options: GenerateOptions;
  readonly args: Arguments;
  readonly io: Io;
}

export async function chat(args: Arguments, io: Io): Promise<void> {
  if (args.argument("MODEL") === undefined) throw new UsageError(NO_CHAT_MODEL);
  const given = { ...samplingOf(args), ...constraintOf(args, io) };
  const model = await openModel(args, io);
  const settings: SessionOptions = { system: args.text("system"), adapters: await adaptersOf(args, io, model) };
  const session = newSession(model, settings);
  const speculate = await speculateOf(args, io);
  const options = withRecommended(recommendedOf(model.metadata(1)), { ...given, speculate });
  options.maxTokens ??= session.capacity;
  const { seed = 0, ...unseeded } = options;
  const talk: Talk = { model, session, seed, isSeeded: false, settings, options: unseeded, args, io };
  if (io.interactive) return converse(talk);
  for await (const line of io.inputLines()) if (line.trim() !== "") await answer(talk, line, io.signal);
}

/** A session that forgets the oldest turns where its context is full, if the model's state and its cache allow that. */
function newSession(model: Model, settings: SessionOptions): Session {
  try {
    return model.session({ ...settings, overflow: "shift" });
  } catch (error) {
    if (!(error instanceof LimpetError && error.code === "UNSUPPORTED")) throw error;
    return model.session(settings);
  }
}

/** A talk with a person, whose answers Ctrl-C ends. */
async function converse(talk: Talk): Promise<void> {
  const { io } = talk;
  const editor = io.editor();
  io.aside("/help shows what can be said besides; Ctrl-D ends the talk");
  try {
    for (;;) {
      const line = await editor.ask("> ");
      if (line === null) return;
      if (line.trim() === "") continue;
      const command = /^\/([a-z]+)(?:\s+(.*))?$/.exec(line.trim());
      if (command?.[1] === "exit" || command?.[1] === "bye") return;
      if (command?.[1] === "retry") await retry(talk);
      else if (command) obey(talk, command[1], command[2] ?? "");
      else await answerPerson(talk, (signal) => answer(talk, line, signal));
    }
  } finally {
    editor.close();
  }
}

/** Another answer to what was said last. */
async function retry(talk: Talk): Promise<void> {
  const { session, io } = talk;
  if (!session.messages.some(({ role }) => role === "user")) {
    io.note("limpet: /retry has nothing to answer: nothing was said");
    return;
  }
  await answerPerson(talk, (signal) => show(talk, session.regenerate({ ...seededOptions(talk), signal })));
}

async function answerPerson(talk: Talk, make: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const { io } = talk;
  try {
    const whole = await io.interruptible(make);
    if (whole) return;
    io.endLine();
    io.aside("(interrupted)");
  } catch (error) {
    if (!(error instanceof LimpetError) || error.code === "WRONG_STATE") throw error;
    io.endLine();
    io.note(`limpet: ${error.message}`);
    if (error.code === "CONTEXT_FULL") io.aside("/reset begins anew");
  }
}

async function answer(talk: Talk, line: string, signal: AbortSignal): Promise<void> {
  await show(talk, talk.session.chat(line, { ...seededOptions(talk), signal }));
}

/** The seed goes with the session's first answer alone. */
function seededOptions(talk: Talk): GenerateOptions {
  const { seed, options, isSeeded } = talk;
  talk.isSeeded = true;
  return isSeeded ? options : { ...options, seed };
}

async function show({ args, seed, io }: Talk, generation: Generation): Promise<void> {
  tellEnd(await stream(generation, io), args.text("answer"), seed, io);
}

function obey(talk: Talk, command: string, rest: string): void {
  const { io, model, settings } = talk;
  if (command === "help") {
    for (const line of COMMANDS.split("\n")) io.note(line);
  } else if (command === "reset") {
    talk.session.dispose();
    talk.session = newSession(model, settings);
    talk.isSeeded = false;
    if (!talk.args.isGiven("seed")) talk.seed = randomSeed();
    io.aside("(a new talk)");
  } else if (command === "save") save(talk, rest);
  else io.note(`limpet: there is no /${command}: /help shows what there is`);
}

function save({ session, args, io }: Talk, path: string): void {
  if (path === "") {
    io.note("limpet: /save wants the name of a file");
    return;
  }
  try {
    const text = `${JSON.stringify({ messages: session.messages }, null, 2)}\n`;
    io.saveFile(path, encodeText(text), splitNames(args.argument("MODEL") ?? "").map(String));
    io.aside(`(${session.messages.length} messages are in ${path})`);
  } catch (error) {
    io.note(`limpet: ${path}: ${messageOf(error)}`);
  }
}
