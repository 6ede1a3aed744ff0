"use client";

import { Model } from "limpet";
import { useEffect, useState } from "react";

export default function Page() {
  const [text, setText] = useState("");
  useEffect(() => {
    speak().then(setText, (error) => setText(String(error)));
  }, []);
  return <output>{text}</output>;
}

/** What the model says in the page, and in a worker of its own. */
async function speak() {
  const texts = [];
  for (const worker of [false, true]) {
    const model = await Model.load("/model.gguf", { worker });
    texts.push(await model.generate("Once upon a time", { maxTokens: 24 }).text());
  }
  return texts[0] === texts[1] ? texts[0] : `not the same: ${texts.join(" / ")}`;
}
