/** Lines that a person edits at a terminal, with a history: node:readline, which pasted texts of several lines pass whole. */
import { createInterface, type Interface } from "node:readline";
import { Transform } from "node:stream";

/** Terminals put these around what is pasted, where they are asked to. */
const PASTE_BEGIN = "\x1b[200~";
const PASTE_END = "\x1b[201~";
const ASK_FOR_MARKS = "\x1b[?2004h";
const NO_MORE_MARKS = "\x1b[?2004l";
/** What stands for an end of line within a pasted text while it is edited. */
const RETURN = "↵";

type Terminal = NodeJS.ReadStream;

export class LineEditor {
  readonly #terminal: Terminal;
  readonly #output: NodeJS.WriteStream;
  readonly #keys: Transform;
  readonly #lines: Interface;
  #closed = false;

  constructor(terminal: Terminal, output: NodeJS.WriteStream) {
    this.#terminal = terminal;
    this.#output = output;
    this.#keys = pastes();
    this.#lines = createInterface({ input: this.#keys, output, terminal: true, historySize: 1000 });
    this.#lines.on("close", () => {
      this.#closed = true;
    });
    this.#lines.pause();
  }

  /** The next line; null where the person has ended the input. Ctrl-C clears a line, and on an empty one ends it. */
  async ask(words: string): Promise<string | null> {
    if (this.#closed) return null;
    const lines = this.#lines;
    this.#terminal.setRawMode(true);
    this.#output.write(ASK_FOR_MARKS);
    this.#terminal.pipe(this.#keys, { end: false });
    try {
      return await new Promise((resolve) => {
        const settle = (line: string | null) => {
          lines.removeAllListeners("line").removeAllListeners("SIGINT").removeListener("close", close);
          this.#terminal.removeListener("end", close);
          resolve(line?.replaceAll(RETURN, "\n") ?? null);
        };
        const close = () => {
          this.#output.write("\n");
          settle(null);
        };
        lines.once("line", settle).once("close", close);
        this.#terminal.once("end", close);
        lines.on("SIGINT", () => {
          if (lines.line === "") lines.close();
          else {
            lines.write(null, { ctrl: true, name: "e" });
            lines.write(null, { ctrl: true, name: "u" });
          }
        });
        lines.setPrompt(words);
        lines.resume();
        lines.prompt();
      });
    } finally {
      // While an answer comes, Ctrl-C is a signal.
      this.#terminal.unpipe(this.#keys);
      if (!this.#closed) this.#lines.pause();
      this.#terminal.pause();
      this.#output.write(NO_MORE_MARKS);
      this.#terminal.setRawMode(false);
    }
  }

  close(): void {
    this.#lines.close();
  }
}

/** Keys as they are typed, in which what is pasted has no ends of lines. */
function pastes(): Transform {
  let isPasted = false;
  return new Transform({
    decodeStrings: false,
    transform(chunk: Buffer | string, _, done) {
      let out = "";
      let rest = chunk.toString();
      while (rest !== "") {
        const mark = isPasted ? PASTE_END : PASTE_BEGIN;
        const at = rest.indexOf(mark);
        const text = at < 0 ? rest : rest.slice(0, at);
        out += isPasted ? text.replace(/\r\n|\r|\n/g, RETURN).replaceAll("\t", "    ") : text;
        rest = at < 0 ? "" : rest.slice(at + mark.length);
        if (at >= 0) isPasted = !isPasted;
      }
      done(null, out);
    },
  });
}
