/**
 * An answer of two models:  node examples/cogenesis/main.mjs LOCAL.gguf REMOTE.gguf PRIVATE-CONTEXT TASK
 *
 * The second model stands for one elsewhere; both must have the same vocabulary. Needs a build (node scripts/build.mjs).
 */
import { Model } from "../../build/js/index.js";
import { cogenesis, remoteOf } from "./cogenesis.mjs";

const [, , localFile, remoteFile, context, task] = process.argv;
if (!task) {
  console.error("usage: node examples/cogenesis/main.mjs LOCAL.gguf REMOTE.gguf PRIVATE-CONTEXT TASK");
  process.exit(2);
}
const local = await Model.load(localFile);
const remote = remoteOf(await Model.load(remoteFile));
for await (const { text } of cogenesis(local, { context, task, remote }, { maxTokens: 100 }))
  process.stdout.write(text);
process.stdout.write("\n");
