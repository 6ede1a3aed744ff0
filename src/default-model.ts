/** limpet/default-model: where the model that ships with limpet lies. */
export { defaultModel } from "./store/default-model.ts";
