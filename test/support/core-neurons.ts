/** Core neurons that `npm run goldens` asks the oracle of, and tests hold sessions against. */
export const CORE_PROMPT = 80;
export const CORE_TOKENS = 64;

export const CORE: readonly { kind: string; type: string; share: number; alpha: number }[] = [
  { kind: "llama-tiny", type: "F32", share: 0.4, alpha: 0.4 },
  { kind: "llama-tiny", type: "F32", share: 0.2, alpha: 0.2 },
  { kind: "qwen2-tiny", type: "F32", share: 0.6, alpha: 0.4 },
  { kind: "plm-1m", type: "F32", share: 0.4, alpha: 0.4 },
  { kind: "plm-1m", type: "F32", share: 0.2, alpha: 0.4 },
  { kind: "arcee-tiny", type: "F32", share: 0.4, alpha: 0.2 },
];
