/**
 * The architectures: one line each. To add one, write its file and its line (docs/adding-an-architecture.md).
 */
import { apertus } from "./apertus";
import { arcee } from "./arcee";
import { bert } from "./bert";
import { cohere2 } from "./cohere2";
import { commandR } from "./command-r";
import { deci } from "./deci";
import { deepseek2 } from "./deepseek2";
import { eurobert } from "./eurobert";
import { exaone } from "./exaone";
import { exaone4 } from "./exaone4";
import { gemma } from "./gemma";
import { gemmaEmbedding } from "./gemma-embedding";
import { gemma2 } from "./gemma2";
import { gemma3 } from "./gemma3";
import { gemma3n } from "./gemma3n";
import { gemma4 } from "./gemma4";
import { glm4 } from "./glm4";
import { gptOss } from "./gpt-oss";
import { gpt2 } from "./gpt2";
import { gptneox } from "./gptneox";
import { granite } from "./granite";
import { granitemoe } from "./granitemoe";
import { hunyuanDense } from "./hunyuan-dense";
import { jinaBertV2 } from "./jina-bert-v2";
import { jinaBertV3 } from "./jina-bert-v3";
import { llama } from "./llama";
import { memoryformer } from "./memoryformer";
import { minicpm } from "./minicpm";
import { minicpm3 } from "./minicpm3";
import { mistral3 } from "./mistral3";
import { modernBert } from "./modern-bert";
import { nomicBert } from "./nomic-bert";
import { nomicBertMoe } from "./nomic-bert-moe";
import { olmo2 } from "./olmo2";
import { olmoe } from "./olmoe";
import { phi2 } from "./phi2";
import { phi3 } from "./phi3";
import { plm } from "./plm";
import { qwen2 } from "./qwen2";
import { qwen2moe } from "./qwen2moe";
import { qwen3 } from "./qwen3";
import { qwen3moe } from "./qwen3moe";
import { smollm3 } from "./smollm3";
import { stablelm } from "./stablelm";
import { starcoder2 } from "./starcoder2";
import { mu } from "./mu";
import { t5 } from "./t5";
import { lfm2 } from "./lfm2";
import { mamba2 } from "./mamba2";
import { qwen35 } from "./qwen35";
import { qwen3next } from "./qwen3next";
import { granitehybrid } from "./granitehybrid";
import { falconH1 } from "./falcon-h1";
import { nemotronH } from "./nemotron_h";
import { mamba } from "./mamba";
import { jamba } from "./jamba";
import { rwkv7 } from "./rwkv7";
import { rwkv6 } from "./rwkv6";
import { lfm2moe } from "./lfm2moe";
import { falcon } from "./falcon";
import { olmo } from "./olmo";
import { bloom } from "./bloom";
import { mpt } from "./mpt";
import { nemotron } from "./nemotron";
import { seedOss } from "./seed_oss";
import { baichuan } from "./baichuan";
import { qwen } from "./qwen";
import { chatglm } from "./chatglm";
import { refact } from "./refact";
import { jais } from "./jais";
import { maincoder } from "./maincoder";
import { bitnet, bitnetB158 } from "./bitnet";
import { phimoe } from "./phimoe";
import { ernie4_5Moe } from "./ernie4_5-moe";
import { hunyuanMoe } from "./hunyuan-moe";
import { bailingmoe, bailingmoe2 } from "./bailingmoe";
import { afmoe } from "./afmoe";
import { mellum } from "./mellum";
import { llama4 } from "./llama4";
import { cohere2moe } from "./cohere2moe";
import { smallthinker } from "./smallthinker";
import {
  HAS_AFMOE, HAS_APERTUS, HAS_ARCEE, HAS_BAICHUAN, HAS_BAILINGMOE, HAS_BAILINGMOE2, HAS_BERT, HAS_BITNET,
  HAS_BITNET_B1_58, HAS_BLOOM, HAS_CHATGLM, HAS_CODESHELL, HAS_COHERE2, HAS_COHERE2MOE, HAS_COMMAND_R, HAS_DECI,
  HAS_DEEPSEEK, HAS_DEEPSEEK2, HAS_ERNIE4_5, HAS_ERNIE4_5_MOE, HAS_EUROBERT, HAS_EXAONE, HAS_EXAONE4, HAS_FALCON,
  HAS_FALCON_H1, HAS_GEMMA, HAS_GEMMA2, HAS_GEMMA3, HAS_GEMMA3N, HAS_GEMMA4, HAS_GEMMA_EMBEDDING, HAS_GLM4, HAS_GPT2,
  HAS_GPTNEOX, HAS_GPT_OSS, HAS_GRANITE, HAS_GRANITEHYBRID, HAS_GRANITEMOE, HAS_HUNYUAN_DENSE, HAS_HUNYUAN_MOE,
  HAS_INTERNLM2, HAS_JAIS, HAS_JAIS2, HAS_JAMBA, HAS_JINA_BERT_V2, HAS_JINA_BERT_V3, HAS_LFM2, HAS_LFM2MOE, HAS_LLAMA,
  HAS_LLAMA4, HAS_MAINCODER, HAS_MAMBA, HAS_MAMBA2, HAS_MELLUM, HAS_MEMORYFORMER, HAS_MINICPM, HAS_MINICPM3,
  HAS_MISTRAL3, HAS_MODERN_BERT, HAS_MPT, HAS_MU, HAS_NAMES, HAS_NEMOTRON, HAS_NEMOTRON_H, HAS_NOMIC_BERT,
  HAS_NOMIC_BERT_MOE, HAS_OLMO, HAS_OLMO2, HAS_OLMOE, HAS_OPENELM, HAS_ORION, HAS_PHI2, HAS_PHI3, HAS_PHIMOE, HAS_PLM,
  HAS_QWEN, HAS_QWEN2, HAS_QWEN2MOE, HAS_QWEN3, HAS_QWEN35, HAS_QWEN3MOE, HAS_QWEN3NEXT, HAS_REFACT, HAS_RWKV6,
  HAS_RWKV7, HAS_SEED_OSS, HAS_SMALLTHINKER, HAS_SMOLLM3, HAS_STABLELM, HAS_STARCODER, HAS_STARCODER2, HAS_T5,
  HAS_T5ENCODER, HAS_XVERSE,
} from "../parts";
import { Search } from "../program/search";

/**
 * Shows every architecture: its name in files, and the function that writes its program. A build of few bytes does not
 * know those that it leaves out.
 */
export function showArchitectures(s: Search): void {
  if (HAS_NAMES || HAS_LLAMA) s.show("llama", HAS_LLAMA ? llama.index : 0);
  if (HAS_NAMES || HAS_QWEN2) s.show("qwen2", HAS_QWEN2 ? qwen2.index : 0);
  if (HAS_NAMES || HAS_QWEN3) s.show("qwen3", HAS_QWEN3 ? qwen3.index : 0);
  if (HAS_NAMES || HAS_PLM) s.show("plm", HAS_PLM ? plm.index : 0);
  if (HAS_NAMES || HAS_MEMORYFORMER) s.show("memoryformer", HAS_MEMORYFORMER ? memoryformer.index : 0);
  if (HAS_NAMES || HAS_PHI2) s.show("phi2", HAS_PHI2 ? phi2.index : 0);
  if (HAS_NAMES || HAS_GEMMA) s.show("gemma", HAS_GEMMA ? gemma.index : 0);
  if (HAS_NAMES || HAS_GEMMA2) s.show("gemma2", HAS_GEMMA2 ? gemma2.index : 0);
  if (HAS_NAMES || HAS_GEMMA3) s.show("gemma3", HAS_GEMMA3 ? gemma3.index : 0);
  if (HAS_NAMES || HAS_QWEN3MOE) s.show("qwen3moe", HAS_QWEN3MOE ? qwen3moe.index : 0);
  if (HAS_NAMES || HAS_QWEN2MOE) s.show("qwen2moe", HAS_QWEN2MOE ? qwen2moe.index : 0);
  if (HAS_NAMES || HAS_PHI3) s.show("phi3", HAS_PHI3 ? phi3.index : 0);
  if (HAS_NAMES || HAS_SMOLLM3) s.show("smollm3", HAS_SMOLLM3 ? smollm3.index : 0);
  if (HAS_NAMES || HAS_GRANITE) s.show("granite", HAS_GRANITE ? granite.index : 0);
  if (HAS_NAMES || HAS_GRANITEMOE) s.show("granitemoe", HAS_GRANITEMOE ? granitemoe.index : 0);
  if (HAS_NAMES || HAS_MINICPM) s.show("minicpm", HAS_MINICPM ? minicpm.index : 0);
  if (HAS_NAMES || HAS_ARCEE) s.show("arcee", HAS_ARCEE ? arcee.index : 0);
  if (HAS_NAMES || HAS_MISTRAL3) s.show("mistral3", HAS_MISTRAL3 ? mistral3.index : 0);
  if (HAS_NAMES || HAS_APERTUS) s.show("apertus", HAS_APERTUS ? apertus.index : 0);
  if (HAS_NAMES || HAS_OLMO2) s.show("olmo2", HAS_OLMO2 ? olmo2.index : 0);
  if (HAS_NAMES || HAS_EXAONE) s.show("exaone", HAS_EXAONE ? exaone.index : 0);
  if (HAS_NAMES || HAS_EXAONE4) s.show("exaone4", HAS_EXAONE4 ? exaone4.index : 0);
  if (HAS_NAMES || HAS_COHERE2) s.show("cohere2", HAS_COHERE2 ? cohere2.index : 0);
  if (HAS_NAMES || HAS_COMMAND_R) s.show("command-r", HAS_COMMAND_R ? commandR.index : 0);
  if (HAS_NAMES || HAS_HUNYUAN_DENSE) s.show("hunyuan-dense", HAS_HUNYUAN_DENSE ? hunyuanDense.index : 0);
  if (HAS_NAMES || HAS_GLM4) s.show("glm4", HAS_GLM4 ? glm4.index : 0);
  if (HAS_NAMES || HAS_INTERNLM2) s.show("internlm2", HAS_INTERNLM2 ? llama.index : 0);
  if (HAS_NAMES || HAS_ERNIE4_5) s.show("ernie4_5", HAS_ERNIE4_5 ? llama.index : 0);
  if (HAS_NAMES || HAS_OLMOE) s.show("olmoe", HAS_OLMOE ? olmoe.index : 0);
  if (HAS_NAMES || HAS_GPT_OSS) s.show("gpt-oss", HAS_GPT_OSS ? gptOss.index : 0);
  if (HAS_NAMES || HAS_DEEPSEEK2) s.show("deepseek2", HAS_DEEPSEEK2 ? deepseek2.index : 0);
  if (HAS_NAMES || HAS_MINICPM3) s.show("minicpm3", HAS_MINICPM3 ? minicpm3.index : 0);
  if (HAS_NAMES || HAS_DECI) s.show("deci", HAS_DECI ? deci.index : 0);
  if (HAS_NAMES || HAS_GPT2) s.show("gpt2", HAS_GPT2 ? gpt2.index : 0);
  if (HAS_NAMES || HAS_GPTNEOX) s.show("gptneox", HAS_GPTNEOX ? gptneox.index : 0);
  if (HAS_NAMES || HAS_STARCODER2) s.show("starcoder2", HAS_STARCODER2 ? starcoder2.index : 0);
  if (HAS_NAMES || HAS_STABLELM) s.show("stablelm", HAS_STABLELM ? stablelm.index : 0);
  if (HAS_NAMES || HAS_GEMMA4) s.show("gemma4", HAS_GEMMA4 ? gemma4.index : 0);
  if (HAS_NAMES || HAS_GEMMA3N) s.show("gemma3n", HAS_GEMMA3N ? gemma3n.index : 0);
  if (HAS_NAMES || HAS_LFM2) s.show("lfm2", HAS_LFM2 ? lfm2.index : 0);
  if (HAS_NAMES || HAS_MAMBA2) s.show("mamba2", HAS_MAMBA2 ? mamba2.index : 0);
  if (HAS_NAMES || HAS_QWEN35) s.show("qwen35", HAS_QWEN35 ? qwen35.index : 0);
  if (HAS_NAMES || HAS_QWEN3NEXT) s.show("qwen3next", HAS_QWEN3NEXT ? qwen3next.index : 0);
  if (HAS_NAMES || HAS_GRANITEHYBRID) s.show("granitehybrid", HAS_GRANITEHYBRID ? granitehybrid.index : 0);
  if (HAS_NAMES || HAS_FALCON_H1) s.show("falcon-h1", HAS_FALCON_H1 ? falconH1.index : 0);
  if (HAS_NAMES || HAS_NEMOTRON_H) s.show("nemotron_h", HAS_NEMOTRON_H ? nemotronH.index : 0);
  if (HAS_NAMES || HAS_MAMBA) s.show("mamba", HAS_MAMBA ? mamba.index : 0);
  if (HAS_NAMES || HAS_JAMBA) s.show("jamba", HAS_JAMBA ? jamba.index : 0);
  if (HAS_NAMES || HAS_RWKV7) s.show("rwkv7", HAS_RWKV7 ? rwkv7.index : 0);
  if (HAS_NAMES || HAS_RWKV6) s.show("rwkv6", HAS_RWKV6 ? rwkv6.index : 0);
  if (HAS_NAMES || HAS_LFM2MOE) s.show("lfm2moe", HAS_LFM2MOE ? lfm2moe.index : 0);
  if (HAS_NAMES || HAS_STARCODER) s.show("starcoder", HAS_STARCODER ? gpt2.index : 0);
  if (HAS_NAMES || HAS_FALCON) s.show("falcon", HAS_FALCON ? falcon.index : 0);
  if (HAS_NAMES || HAS_OLMO) s.show("olmo", HAS_OLMO ? olmo.index : 0);
  if (HAS_NAMES || HAS_BLOOM) s.show("bloom", HAS_BLOOM ? bloom.index : 0);
  if (HAS_NAMES || HAS_MPT) s.show("mpt", HAS_MPT ? mpt.index : 0);
  if (HAS_NAMES || HAS_NEMOTRON) s.show("nemotron", HAS_NEMOTRON ? nemotron.index : 0);
  if (HAS_NAMES || HAS_JAIS2) s.show("jais2", HAS_JAIS2 ? nemotron.index : 0);
  if (HAS_NAMES || HAS_SEED_OSS) s.show("seed_oss", HAS_SEED_OSS ? seedOss.index : 0);
  if (HAS_NAMES || HAS_BAICHUAN) s.show("baichuan", HAS_BAICHUAN ? baichuan.index : 0);
  if (HAS_NAMES || HAS_QWEN) s.show("qwen", HAS_QWEN ? qwen.index : 0);
  if (HAS_NAMES || HAS_CHATGLM) s.show("chatglm", HAS_CHATGLM ? chatglm.index : 0);
  if (HAS_NAMES || HAS_OPENELM) s.show("openelm", HAS_OPENELM ? qwen3.index : 0);
  if (HAS_NAMES || HAS_ORION) s.show("orion", HAS_ORION ? stablelm.index : 0);
  if (HAS_NAMES || HAS_XVERSE) s.show("xverse", HAS_XVERSE ? llama.index : 0);
  if (HAS_NAMES || HAS_REFACT) s.show("refact", HAS_REFACT ? refact.index : 0);
  if (HAS_NAMES || HAS_CODESHELL) s.show("codeshell", HAS_CODESHELL ? starcoder2.index : 0);
  if (HAS_NAMES || HAS_JAIS) s.show("jais", HAS_JAIS ? jais.index : 0);
  if (HAS_NAMES || HAS_MAINCODER) s.show("maincoder", HAS_MAINCODER ? maincoder.index : 0);
  if (HAS_NAMES || HAS_BITNET) s.show("bitnet", HAS_BITNET ? bitnet.index : 0);
  if (HAS_NAMES || HAS_BITNET_B1_58) s.show("bitnet-b1.58", HAS_BITNET_B1_58 ? bitnetB158.index : 0);
  if (HAS_NAMES || HAS_PHIMOE) s.show("phimoe", HAS_PHIMOE ? phimoe.index : 0);
  if (HAS_NAMES || HAS_ERNIE4_5_MOE) s.show("ernie4_5-moe", HAS_ERNIE4_5_MOE ? ernie4_5Moe.index : 0);
  if (HAS_NAMES || HAS_HUNYUAN_MOE) s.show("hunyuan-moe", HAS_HUNYUAN_MOE ? hunyuanMoe.index : 0);
  if (HAS_NAMES || HAS_BAILINGMOE) s.show("bailingmoe", HAS_BAILINGMOE ? bailingmoe.index : 0);
  if (HAS_NAMES || HAS_DEEPSEEK) s.show("deepseek", HAS_DEEPSEEK ? bailingmoe.index : 0);
  if (HAS_NAMES || HAS_BAILINGMOE2) s.show("bailingmoe2", HAS_BAILINGMOE2 ? bailingmoe2.index : 0);
  if (HAS_NAMES || HAS_AFMOE) s.show("afmoe", HAS_AFMOE ? afmoe.index : 0);
  if (HAS_NAMES || HAS_MELLUM) s.show("mellum", HAS_MELLUM ? mellum.index : 0);
  if (HAS_NAMES || HAS_LLAMA4) s.show("llama4", HAS_LLAMA4 ? llama4.index : 0);
  if (HAS_NAMES || HAS_COHERE2MOE) s.show("cohere2moe", HAS_COHERE2MOE ? cohere2moe.index : 0);
  if (HAS_NAMES || HAS_SMALLTHINKER) s.show("smallthinker", HAS_SMALLTHINKER ? smallthinker.index : 0);
  if (HAS_NAMES || HAS_BERT) s.show("bert", HAS_BERT ? bert.index : 0);
  if (HAS_NAMES || HAS_NOMIC_BERT) s.show("nomic-bert", HAS_NOMIC_BERT ? nomicBert.index : 0);
  if (HAS_NAMES || HAS_NOMIC_BERT_MOE) s.show("nomic-bert-moe", HAS_NOMIC_BERT_MOE ? nomicBertMoe.index : 0);
  if (HAS_NAMES || HAS_JINA_BERT_V2) s.show("jina-bert-v2", HAS_JINA_BERT_V2 ? jinaBertV2.index : 0);
  if (HAS_NAMES || HAS_JINA_BERT_V3) s.show("jina-bert-v3", HAS_JINA_BERT_V3 ? jinaBertV3.index : 0);
  if (HAS_NAMES || HAS_MODERN_BERT) s.show("modern-bert", HAS_MODERN_BERT ? modernBert.index : 0);
  if (HAS_NAMES || HAS_EUROBERT) s.show("eurobert", HAS_EUROBERT ? eurobert.index : 0);
  if (HAS_NAMES || HAS_GEMMA_EMBEDDING) s.show("gemma-embedding", HAS_GEMMA_EMBEDDING ? gemmaEmbedding.index : 0);
  if (HAS_NAMES || HAS_T5) s.show("t5", HAS_T5 ? t5.index : 0);
  if (HAS_NAMES || HAS_T5ENCODER) s.show("t5encoder", HAS_T5ENCODER ? t5.index : 0);
  if (HAS_NAMES || HAS_MU) s.show("mu", HAS_MU ? mu.index : 0);
}
