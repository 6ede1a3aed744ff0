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
import { ernie4_5 } from "./ernie4_5";
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
import { internlm2 } from "./internlm2";
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
import {
  HAS_APERTUS, HAS_ARCEE, HAS_BERT, HAS_COHERE2, HAS_COMMAND_R, HAS_DECI, HAS_DEEPSEEK2, HAS_ERNIE4_5, HAS_EUROBERT,
  HAS_EXAONE, HAS_EXAONE4, HAS_FALCON_H1, HAS_GEMMA, HAS_GEMMA2, HAS_GEMMA3, HAS_GEMMA3N, HAS_GEMMA4,
  HAS_GEMMA_EMBEDDING, HAS_GLM4, HAS_GPT2, HAS_GPTNEOX, HAS_GPT_OSS, HAS_GRANITE, HAS_GRANITEHYBRID, HAS_GRANITEMOE,
  HAS_HUNYUAN_DENSE, HAS_INTERNLM2, HAS_JAMBA, HAS_JINA_BERT_V2, HAS_JINA_BERT_V3, HAS_LFM2, HAS_LFM2MOE, HAS_LLAMA,
  HAS_MAMBA, HAS_MAMBA2, HAS_MEMORYFORMER, HAS_MINICPM, HAS_MINICPM3, HAS_MISTRAL3, HAS_MODERN_BERT, HAS_MU,
  HAS_NEMOTRON_H, HAS_NOMIC_BERT, HAS_NOMIC_BERT_MOE, HAS_OLMO2, HAS_OLMOE, HAS_PHI2, HAS_PHI3, HAS_PLM, HAS_QWEN2,
  HAS_QWEN2MOE, HAS_QWEN3, HAS_QWEN35, HAS_QWEN3MOE, HAS_QWEN3NEXT, HAS_RWKV6, HAS_RWKV7, HAS_SMOLLM3, HAS_STABLELM,
  HAS_STARCODER2, HAS_T5, HAS_T5ENCODER,
} from "../parts";
import { Search } from "../program/search";

/** Shows every architecture: its name in files, and the function that writes its program. */
export function showArchitectures(s: Search): void {
  s.show("llama", HAS_LLAMA ? llama.index : 0);
  s.show("qwen2", HAS_QWEN2 ? qwen2.index : 0);
  s.show("qwen3", HAS_QWEN3 ? qwen3.index : 0);
  s.show("plm", HAS_PLM ? plm.index : 0);
  s.show("memoryformer", HAS_MEMORYFORMER ? memoryformer.index : 0);
  s.show("phi2", HAS_PHI2 ? phi2.index : 0);
  s.show("gemma", HAS_GEMMA ? gemma.index : 0);
  s.show("gemma2", HAS_GEMMA2 ? gemma2.index : 0);
  s.show("gemma3", HAS_GEMMA3 ? gemma3.index : 0);
  s.show("qwen3moe", HAS_QWEN3MOE ? qwen3moe.index : 0);
  s.show("qwen2moe", HAS_QWEN2MOE ? qwen2moe.index : 0);
  s.show("phi3", HAS_PHI3 ? phi3.index : 0);
  s.show("smollm3", HAS_SMOLLM3 ? smollm3.index : 0);
  s.show("granite", HAS_GRANITE ? granite.index : 0);
  s.show("granitemoe", HAS_GRANITEMOE ? granitemoe.index : 0);
  s.show("minicpm", HAS_MINICPM ? minicpm.index : 0);
  s.show("arcee", HAS_ARCEE ? arcee.index : 0);
  s.show("mistral3", HAS_MISTRAL3 ? mistral3.index : 0);
  s.show("apertus", HAS_APERTUS ? apertus.index : 0);
  s.show("olmo2", HAS_OLMO2 ? olmo2.index : 0);
  s.show("exaone", HAS_EXAONE ? exaone.index : 0);
  s.show("exaone4", HAS_EXAONE4 ? exaone4.index : 0);
  s.show("cohere2", HAS_COHERE2 ? cohere2.index : 0);
  s.show("command-r", HAS_COMMAND_R ? commandR.index : 0);
  s.show("hunyuan-dense", HAS_HUNYUAN_DENSE ? hunyuanDense.index : 0);
  s.show("glm4", HAS_GLM4 ? glm4.index : 0);
  s.show("internlm2", HAS_INTERNLM2 ? internlm2.index : 0);
  s.show("ernie4_5", HAS_ERNIE4_5 ? ernie4_5.index : 0);
  s.show("olmoe", HAS_OLMOE ? olmoe.index : 0);
  s.show("gpt-oss", HAS_GPT_OSS ? gptOss.index : 0);
  s.show("deepseek2", HAS_DEEPSEEK2 ? deepseek2.index : 0);
  s.show("minicpm3", HAS_MINICPM3 ? minicpm3.index : 0);
  s.show("deci", HAS_DECI ? deci.index : 0);
  s.show("gpt2", HAS_GPT2 ? gpt2.index : 0);
  s.show("gptneox", HAS_GPTNEOX ? gptneox.index : 0);
  s.show("starcoder2", HAS_STARCODER2 ? starcoder2.index : 0);
  s.show("stablelm", HAS_STABLELM ? stablelm.index : 0);
  s.show("gemma4", HAS_GEMMA4 ? gemma4.index : 0);
  s.show("gemma3n", HAS_GEMMA3N ? gemma3n.index : 0);
  s.show("lfm2", HAS_LFM2 ? lfm2.index : 0);
  s.show("mamba2", HAS_MAMBA2 ? mamba2.index : 0);
  s.show("qwen35", HAS_QWEN35 ? qwen35.index : 0);
  s.show("qwen3next", HAS_QWEN3NEXT ? qwen3next.index : 0);
  s.show("granitehybrid", HAS_GRANITEHYBRID ? granitehybrid.index : 0);
  s.show("falcon-h1", HAS_FALCON_H1 ? falconH1.index : 0);
  s.show("nemotron_h", HAS_NEMOTRON_H ? nemotronH.index : 0);
  s.show("mamba", HAS_MAMBA ? mamba.index : 0);
  s.show("jamba", HAS_JAMBA ? jamba.index : 0);
  s.show("rwkv7", HAS_RWKV7 ? rwkv7.index : 0);
  s.show("rwkv6", HAS_RWKV6 ? rwkv6.index : 0);
  s.show("lfm2moe", HAS_LFM2MOE ? lfm2moe.index : 0);
  s.show("bert", HAS_BERT ? bert.index : 0);
  s.show("nomic-bert", HAS_NOMIC_BERT ? nomicBert.index : 0);
  s.show("nomic-bert-moe", HAS_NOMIC_BERT_MOE ? nomicBertMoe.index : 0);
  s.show("jina-bert-v2", HAS_JINA_BERT_V2 ? jinaBertV2.index : 0);
  s.show("jina-bert-v3", HAS_JINA_BERT_V3 ? jinaBertV3.index : 0);
  s.show("modern-bert", HAS_MODERN_BERT ? modernBert.index : 0);
  s.show("eurobert", HAS_EUROBERT ? eurobert.index : 0);
  s.show("gemma-embedding", HAS_GEMMA_EMBEDDING ? gemmaEmbedding.index : 0);
  s.show("t5", HAS_T5 ? t5.index : 0);
  s.show("t5encoder", HAS_T5ENCODER ? t5.index : 0);
  s.show("mu", HAS_MU ? mu.index : 0);
}
