/** A server of models, `(Request) => Promise<Response>`, in any JavaScript host: OpenAI's routes, and Anthropic's messages. */

export type { GateOptions } from "./server/gate.ts";
export { type Handler, handler, type ServerOptions } from "./server/handler.ts";
export { listener, type NodeRequest, type NodeResponse } from "./server/listener.ts";
export type { AdaptedModel, ModelOptions, ServedModel } from "./server/models.ts";
