/**
 * The engine's raw exports for tests: models from bytes, contexts with their batches, sessions. What a call refuses is
 * thrown as an `EngineError` with the core's code and words.
 *
 *     const engine = new Engine("portable");
 *     const model = engine.load(modelBytes("plm-1m", "Q4_0"));
 *     const context = model.context({ rows: 64, batch: 64 });
 *     const rows = context.run(prompt([1, 2, 3]));       // logits of each token
 */
import { KvType } from "../../bindings/numbers.ts";

export { ErrorCode as Code, Finish, Form, Streamed, Visibility } from "../../bindings/numbers.ts";
export * from "./context.ts";
export * from "./feed.ts";
export * from "./model.ts";
export { modelBytes } from "./models.ts";
export * from "./refused.ts";
export * from "./scripted.ts";
export * from "./session.ts";
export const { F32, F16, Q8_0 } = KvType;
