/** Everything that limpet exports, with the types of others that it has to fit; compiled and never run. */
import type { EmbeddingModelV4, LanguageModelV4, ProviderV4 } from "@ai-sdk/provider";
import { Model } from "limpet";
import { createLimpet, limpet } from "limpet/ai-sdk";
import * as convert from "limpet/convert";
import { compile } from "limpet/grammar";
import { kernels } from "limpet/kernels";
import { handler } from "limpet/server";
import { WorkerModel } from "limpet/worker";
import type { EmbeddingModelV3, LanguageModelV3 } from "provider3";

export const four: LanguageModelV4 = limpet("model.gguf");
export const provider: ProviderV4 = limpet;
export const vectors: EmbeddingModelV4 = limpet.embeddingModel("model.gguf");
const older = createLimpet({ specificationVersion: "v3" });
export const three: LanguageModelV3 = older("model.gguf");
export const olderVectors: EmbeddingModelV3 = older.embeddingModel("model.gguf");

export async function use(): Promise<string> {
  const model = await Model.load("model.gguf", { worker: true });
  const other: WorkerModel = await WorkerModel.load("model.gguf");
  const k = await kernels();
  k.matmul(Float32Array.of(1), Float32Array.of(1), { m: 1, k: 1, n: 1 });
  compile({ choice: ["a", "b"] });
  const answer: Response = await handler({ model, other })(new Request("http://x/"));
  return answer.statusText + typeof convert;
}
