/**
 * Where the model that ships with limpet lies: a PLM of 5.6 million parameters that tells tales (models/README.md). An
 * entry of its own, so that bundlers copy its 4 MB only for those who ask for it.
 *
 *     const model = await Model.load(defaultModel);
 */

/** Set by the build: whether this is the bundle in build/js/, and not the sources themselves. */
declare const LIMPET_BUNDLE: boolean | undefined;

/** Bundlers copy what a whole `new URL(…, import.meta.url)` names, so each is written out. */
export const defaultModel: URL =
  typeof LIMPET_BUNDLE === "undefined"
    ? new URL("../models/tales-plm-q4_k_m.gguf", import.meta.url)
    : new URL("../../models/tales-plm-q4_k_m.gguf", import.meta.url);
