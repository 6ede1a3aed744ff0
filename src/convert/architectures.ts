/**
 * The architectures that can be converted: config.json → the keys and the tensors of a GGUF file, in the names and the
 * order that llama.cpp's converter gives them (specs of `memoryformer`: docs/formats.md). To add one, write its file and
 * its line (docs/adding-an-architecture.md).
 */
import { planApertus } from "./architectures/apertus.ts";
import { planArcee } from "./architectures/arcee.ts";
import { planBert } from "./architectures/bert.ts";
import { planBloom } from "./architectures/bloom.ts";
import { planChatglm } from "./architectures/chatglm.ts";
import { planCohere2 } from "./architectures/cohere2.ts";
import { planCommandR } from "./architectures/command-r.ts";
import { planDeci } from "./architectures/deci.ts";
import { planDeepseek2 } from "./architectures/deepseek2.ts";
import { planErnie45 } from "./architectures/ernie4_5.ts";
import { planErnie45Moe } from "./architectures/ernie4_5-moe.ts";
import { planEurobert } from "./architectures/eurobert.ts";
import { planExaone } from "./architectures/exaone.ts";
import { planExaone4 } from "./architectures/exaone4.ts";
import { planFalcon } from "./architectures/falcon.ts";
import { planFalconH1 } from "./architectures/falcon-h1.ts";
import { planGemma } from "./architectures/gemma.ts";
import { planGemmaEmbedding } from "./architectures/gemma-embedding.ts";
import { planGemma2 } from "./architectures/gemma2.ts";
import { planGemma3 } from "./architectures/gemma3.ts";
import { planGemma3n } from "./architectures/gemma3n.ts";
import { planGemma4 } from "./architectures/gemma4.ts";
import { planGlm4 } from "./architectures/glm4.ts";
import { planGptOss } from "./architectures/gpt-oss.ts";
import { planGpt2 } from "./architectures/gpt2.ts";
import { planGptneox } from "./architectures/gptneox.ts";
import { planGranite } from "./architectures/granite.ts";
import { planGranitehybrid } from "./architectures/granitehybrid.ts";
import { planGranitemoe } from "./architectures/granitemoe.ts";
import { planHunyuanDense } from "./architectures/hunyuan-dense.ts";
import { planHunyuanMoe } from "./architectures/hunyuan-moe.ts";
import { planInternlm2 } from "./architectures/internlm2.ts";
import { planJamba } from "./architectures/jamba.ts";
import { planJinaBertV3 } from "./architectures/jina-bert-v3.ts";
import { planLfm2 } from "./architectures/lfm2.ts";
import { planLfm2moe } from "./architectures/lfm2moe.ts";
import { planLlama } from "./architectures/llama.ts";
import { planMamba } from "./architectures/mamba.ts";
import { planMamba2 } from "./architectures/mamba2.ts";
import { planMemoryformer } from "./architectures/memoryformer.ts";
import { planMinicpm } from "./architectures/minicpm.ts";
import { planMinicpm3 } from "./architectures/minicpm3.ts";
import { planMistral3 } from "./architectures/mistral3.ts";
import { planModernBert } from "./architectures/modern-bert.ts";
import { planMpt } from "./architectures/mpt.ts";
import { planMu } from "./architectures/mu.ts";
import { planNemotron } from "./architectures/nemotron.ts";
import { planNemotronH } from "./architectures/nemotron_h.ts";
import { planNomicBert } from "./architectures/nomic-bert.ts";
import { planOlmo } from "./architectures/olmo.ts";
import { planOlmo2 } from "./architectures/olmo2.ts";
import { planOlmoe } from "./architectures/olmoe.ts";
import { planPhi2 } from "./architectures/phi2.ts";
import { planPhi3 } from "./architectures/phi3.ts";
import { planPhimoe } from "./architectures/phimoe.ts";
import { planPlm } from "./architectures/plm.ts";
import { planQwen2 } from "./architectures/qwen2.ts";
import { planQwen2moe } from "./architectures/qwen2moe.ts";
import { planQwen3 } from "./architectures/qwen3.ts";
import { planQwen3moe } from "./architectures/qwen3moe.ts";
import { planQwen3next } from "./architectures/qwen3next.ts";
import { planQwen35 } from "./architectures/qwen35.ts";
import { planRwkv6 } from "./architectures/rwkv6.ts";
import { planRwkv7 } from "./architectures/rwkv7.ts";
import { planSeedOss } from "./architectures/seed_oss.ts";
import { planSmollm3 } from "./architectures/smollm3.ts";
import { planStablelm } from "./architectures/stablelm.ts";
import { planStarcoder } from "./architectures/starcoder.ts";
import { planStarcoder2 } from "./architectures/starcoder2.ts";
import { planT5 } from "./architectures/t5.ts";
import type { Config } from "./folder.ts";
import type { Plan } from "./plan.ts";
import type { Checkpoint } from "./safetensors.ts";

/** By the names that GGUF gives them, in the order of the core's registry. */
const PLANNERS: Readonly<Record<string, (config: Config, checkpoint: Checkpoint) => Plan>> = {
  llama: planLlama,
  qwen2: planQwen2,
  qwen3: planQwen3,
  plm: planPlm,
  memoryformer: planMemoryformer,
  phi2: planPhi2,
  gemma: planGemma,
  gemma2: planGemma2,
  gemma3: planGemma3,
  qwen3moe: planQwen3moe,
  qwen2moe: planQwen2moe,
  phi3: planPhi3,
  smollm3: planSmollm3,
  granite: planGranite,
  granitemoe: planGranitemoe,
  minicpm: planMinicpm,
  arcee: planArcee,
  mistral3: planMistral3,
  apertus: planApertus,
  olmo2: planOlmo2,
  exaone: planExaone,
  exaone4: planExaone4,
  cohere2: planCohere2,
  "command-r": planCommandR,
  "hunyuan-dense": planHunyuanDense,
  glm4: planGlm4,
  internlm2: planInternlm2,
  ernie4_5: planErnie45,
  olmoe: planOlmoe,
  "gpt-oss": planGptOss,
  deepseek2: planDeepseek2,
  minicpm3: planMinicpm3,
  deci: planDeci,
  gpt2: planGpt2,
  gptneox: planGptneox,
  starcoder2: planStarcoder2,
  stablelm: planStablelm,
  gemma4: planGemma4,
  gemma3n: planGemma3n,
  lfm2: planLfm2,
  mamba2: planMamba2,
  qwen35: planQwen35,
  qwen3next: planQwen3next,
  granitehybrid: planGranitehybrid,
  "falcon-h1": planFalconH1,
  nemotron_h: planNemotronH,
  mamba: planMamba,
  jamba: planJamba,
  rwkv7: planRwkv7,
  rwkv6: planRwkv6,
  lfm2moe: planLfm2moe,
  starcoder: planStarcoder,
  falcon: planFalcon,
  olmo: planOlmo,
  bloom: planBloom,
  mpt: planMpt,
  nemotron: planNemotron,
  seed_oss: planSeedOss,
  chatglm: planChatglm,
  phimoe: planPhimoe,
  "ernie4_5-moe": planErnie45Moe,
  "hunyuan-moe": planHunyuanMoe,
  bert: planBert,
  "nomic-bert": planNomicBert,
  "jina-bert-v3": planJinaBertV3,
  "modern-bert": planModernBert,
  eurobert: planEurobert,
  "gemma-embedding": planGemmaEmbedding,
  t5: planT5,
  mu: planMu,
};

/** What checkpoints call an architecture that has another name in GGUF. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  phi: "phi2",
  deepseek_v2: "deepseek2",
  deepseek_v3: "deepseek2",
  gemma3_text: "gemma3",
  gpt_oss: "gpt-oss",
  "nemotron-nas": "deci",
  qwen2_moe: "qwen2moe",
  qwen3_moe: "qwen3moe",
  granitemoeshared: "granitemoe",
  ministral3: "mistral3",
  olmo3: "olmo2",
  cohere: "command-r",
  hunyuan_v1_dense: "hunyuan-dense",
  gpt_neox: "gptneox",
  gpt_bigcode: "starcoder",
  glm: "chatglm",
  ernie4_5_moe: "ernie4_5-moe",
  hunyuan_v1_moe: "hunyuan-moe",
  gemma4_text: "gemma4",
  gemma3n_text: "gemma3n",
  distilbert: "bert",
  roberta: "bert",
  "xlm-roberta": "bert",
  camembert: "bert",
  nomic_bert: "nomic-bert",
  jina_embeddings_v3: "jina-bert-v3",
  modernbert: "modern-bert",
  lfm2_moe: "lfm2moe",
  falcon_mamba: "mamba",
  falcon_h1: "falcon-h1",
  granitemoehybrid: "granitehybrid",
  qwen3_next: "qwen3next",
  qwen3_5: "qwen35",
  qwen3_5_text: "qwen35",
  mt5: "t5",
  umt5: "t5",
};

export function planOf(config: Config, checkpoint: Checkpoint): Plan {
  const type = config.get("model_type");
  if (type === undefined) throw config.wrong("model_type is missing");
  const other = typeof type === "string" && Object.hasOwn(OTHER_NAMES, type) ? OTHER_NAMES[type] : type;
  // EmbeddingGemma's config is that of a decoder which sees both ways.
  const name = other === "gemma3" && config.get("use_bidirectional_attention") ? "gemma-embedding" : other;
  const planner = typeof name === "string" && Object.hasOwn(PLANNERS, name) ? PLANNERS[name] : undefined;
  if (planner) return planner(config, checkpoint);
  const known = Object.keys(PLANNERS).join(", ");
  throw config.wrong(`limpet converts no ${JSON.stringify(type)}, but ${known}`, "UNSUPPORTED");
}
