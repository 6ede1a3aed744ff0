/** jina-bert-v3, without the adapters of its tasks: its layers are those of nomic-bert without a gate. */
export { planJinaBertV3 } from "./nomic-bert.ts";
