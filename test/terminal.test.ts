/** The command at a terminal, as a person uses it: a pseudo-terminal of Python's types and reads. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TEMPLATES } from "./support/chat-templates.ts";
import { CLI } from "./support/cli.ts";
import { DEMO_TEXT, demoFrom, modelBytes, temporaryFile } from "./support/models.ts";

const PTY = fileURLToPath(new URL("support/terminal.py", import.meta.url));
const TEMPLATE: [string, string, string] = ["tokenizer.chat_template", "string", TEMPLATES["ChatML"]];
const TALKER = temporaryFile("talker.gguf", modelBytes("demo", "F16", [TEMPLATE as never]));
const DEMO = temporaryFile("terminal.gguf", modelBytes("demo"));
/** A model that is slow enough to be interrupted. */
const SLOW = temporaryFile("slow.gguf", modelBytes("plm-1m", "Q4_0", [TEMPLATE as never]));
const TIDE = demoFrom(" tide");
/** The tokens that would end its answer by themselves: its control tokens and <|endoftext|>. */
const ENDS = "0,1,2,511";
const SURE = ["--temp", "0", "--build", "portable"];

type Step = readonly [wait: string, type: string];

/** What a terminal shows of a command; null where there is no Python to be one. */
function terminal(words: string[], steps: readonly Step[]): { shown: string; status: number } | null {
  const args = [PTY, JSON.stringify(steps), process.execPath, CLI, ...words];
  const { stdout, stderr, error } = spawnSync("python3", args, { encoding: "utf8", timeout: 90_000 });
  if (error || process.platform === "win32") {
    if (process.env["CI"] === "true") throw new Error("this test needs python3");
    console.log("skipped: needs python3");
    return null;
  }
  const end = stdout.match(/\nstatus (-?\d+), (\d+) steps left\n$/);
  assert.ok(end, stdout + stderr);
  assert.is(end[2], "0", `not all was waited for: ${stdout}`);
  return { shown: stdout.slice(0, end.index), status: Number(end[1]) };
}

test("generate: the prompt dimmed before the text, and behind it how quick it was and its seed", () => {
  const run = terminal(["generate", DEMO, TIDE.prompt, ...SURE], []);
  if (!run) return;
  const lines = run.shown.split("\r\n");
  assert.is(lines[0], `\x1b[2m${TIDE.prompt}\x1b[22m${TIDE.rest}`);
  assert.match(lines[1], /^\x1b\[2m\d+ tokens, [\d.]+ a second; \d+ of the prompt in [\d.]+ s; seed \d+\x1b\[22m$/);
  assert.is(run.status, 0);
  const cut = terminal(["generate", DEMO, TIDE.prompt, "-n", "3", ...SURE], []);
  assert.match(cut!.shown, /limpet: cut after 3 tokens: -n N allows more/);
});

test("chat: answers, /help, /save, /retry, /reset, an unknown word, history, a pasted text, and Ctrl-D", () => {
  const file = temporaryFile("talk.json");
  const run = terminal(
    ["chat", TALKER, "-n", "8", "--system", "Be brief.", ...SURE],
    [
      ["> ", "/retry\r"],
      ["nothing was said", ""],
      ["> ", "Hello\r"],
      ["seed", ""],
      ["> ", "/retry\r"],
      ["seed", ""],
      ["> ", "/help\r"],
      ["/save FILE", ""],
      ["> ", "/nosuch\r"],
      ["there is no /nosuch", ""],
      // Up four times: the words before the last commands.
      ["> ", "\x1b[A\x1b[A\x1b[A\x1b[A!\r"],
      ["seed", ""],
      ["> ", "\x1b[200~one\ntwo\tthree\x1b[201~\r"],
      ["seed", ""],
      ["> ", `/save ${file}\r`],
      ["7 messages are in", ""],
      ["> ", "/save\r"],
      ["wants the name of a file", ""],
      ["> ", "/save /no/such/folder/f\r"],
      ["no such file", ""],
      ["> ", "half a line\x03"],
      ["> ", "/reset\r"],
      ["(a new talk)", ""],
      ["> ", "\x04"],
    ],
  );
  if (!run) return;
  assert.is(run.status, 0, run.shown);
  const { messages } = JSON.parse(readFileSync(file, "utf8"));
  const [said, answer] = [messages.map((m: { content: string }) => m.content), messages[2].content];
  assert.ok(DEMO_TEXT.startsWith(answer) && answer.length > 5, answer);
  assert.equal(said, ["Be brief.", "Hello", answer, "Hello!", answer, "one\ntwo    three", answer]);
});

test("chat: Ctrl-C ends the answer and not the talk", () => {
  const run = terminal(
    ["chat", SLOW, "--temp", "1", "--ban", ENDS, "-n", "100000", "--seed", "3"],
    [
      ["> ", "Tell me a long tale\r"],
      ["\n", ""],
      ["", "\x03"],
      ["(interrupted)", ""],
      ["> ", "And another\r"],
      ["\n", ""],
      ["", "\x03"],
      ["(interrupted)", ""],
      ["> ", "\x03"],
    ],
  );
  if (run) assert.is(run.status, 0, run.shown);
});

test("chat: a full context shifts and says so", () => {
  const steps: Step[] = [];
  for (let i = 0; i < 8; i++) steps.push(["> ", `Question ${i}?\r`], ["seed", ""]);
  const run = terminal(["chat", TALKER, "-n", "9", "--ctx", "300", ...SURE], [...steps, ["> ", "/exit\r"]]);
  if (!run) return;
  assert.match(run.shown, /limpet: the context was full: the oldest \d+ tokens are forgotten/);
  assert.is(run.status, 0);
});

test("a pipe beside -p is read behind it", () => {
  if (!existsSync("/bin/sh")) return;
  const shell = (line: string) => spawnSync("/bin/sh", ["-c", line], { encoding: "utf8" });
  const command = `"${process.execPath}" "${CLI}" generate "${TALKER}" --system x --json -n 1`;
  const tokens = (line: string) => JSON.parse(shell(line).stdout).prompt_tokens;
  const whole = tokens(`${command} -p "$(printf 'Say it:\\n\\na b')" </dev/null`);
  assert.ok(whole > 80, `${whole}`);
  assert.is(tokens(`printf 'a b\\n' | ${command} -p "Say it:"`), whole);
  assert.is(tokens(`printf 'a b\\n' | ${command} "Say it:"`), whole);
  assert.is(tokens(`printf 'Say it:\\n\\na b\\n' | ${command}`), whole, "the pipe alone");
  assert.is(tokens(`printf '' | ${command} -p "$(printf 'Say it:\\n\\na b')"`), whole, "an empty one");
});

test.run();
