import { Model } from "limpet";

/** What a model says in the page, and in a worker of its own. */
async function speak() {
  const texts = [];
  for (const worker of [false, true]) {
    const model = await Model.load("/model.gguf", { worker });
    texts.push(await model.generate("Once upon a time", { maxTokens: 24 }).text());
  }
  return texts[0] === texts[1] ? texts[0] : `not the same: ${texts.join(" / ")}`;
}

const output = document.querySelector("output");
speak().then(
  (text) => output.append(text),
  (error) => output.append(String(error)),
);
