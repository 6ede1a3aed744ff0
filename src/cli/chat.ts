/** `limpet chat`: a line in, an answer out, until the input ends. */
import { type Arguments, UsageError } from "./arguments.ts";
import { openModel, samplingOf, stream } from "./common.ts";
import { constraintOf } from "./grammar.ts";
import type { Io } from "./io.ts";

const NO_CHAT_MODEL =
  "the model that ships goes on with texts and answers nobody: limpet generate -p TEXT, or name one: limpet chat MODEL.gguf";

export async function chat(args: Arguments, io: Io): Promise<void> {
  if (args.argument("MODEL") === undefined) throw new UsageError(NO_CHAT_MODEL);
  const sampling = samplingOf(args);
  const model = await openModel(args, io);
  const session = model.session({ system: args.text("system") });
  const options = { ...sampling, ...constraintOf(args), maxTokens: args.number("answer"), signal: io.signal };
  const ask = () => io.interactive && io.ask("> ");
  ask();
  for await (const line of io.inputLines()) {
    if (line.trim() !== "") await stream(session.chat(line, options), io);
    ask();
  }
  if (io.interactive) io.note("");
}
