/** `limpet chat`: a line in, an answer out, until the input ends. */
import type { Arguments } from "./arguments.ts";
import { openModel, samplingOf, stream } from "./common.ts";
import type { Io } from "./io.ts";

export async function chat(args: Arguments, io: Io): Promise<void> {
  const model = await openModel(args, io);
  const session = model.session({ system: args.text("system") });
  const options = { ...samplingOf(args), maxTokens: args.number("answer"), signal: io.signal };
  const ask = () => io.interactive && io.ask("> ");
  ask();
  for await (const line of io.inputLines()) {
    if (line.trim() !== "") await stream(session.chat(line, options), io);
    ask();
  }
  if (io.interactive) io.note("");
}
