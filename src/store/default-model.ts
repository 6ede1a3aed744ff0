/**
 * Where the model that ships with limpet lies: a PLM of 5.6 million parameters that tells tales (models/README.md). An
 * entry of its own, so that bundlers copy its 4 MB only for those who ask for it.
 *
 *     const model = await Model.load(defaultModel);
 */
import { inPackage } from "../../bindings/moved.ts";

/** The same place from src/store/ and from build/js/. Bundlers copy what a whole `new URL(…, import.meta.url)` names. */
export const defaultModel: URL = inPackage(
  new URL("../../models/tales-plm-q4_k_m.gguf", import.meta.url),
  "../../models/tales-plm-q4_k_m.gguf",
  import.meta.url,
);
