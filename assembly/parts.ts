/**
 * What this build holds. builds.json names the parts of each build; for one that it leaves out, scripts/builds.mjs
 * hands asc a constant (`--use WITHOUT_Q4_K=1`). A condition on a constant here folds as asc compiles: what stands
 * behind it is not in the wasm, nor are its words and tables. So a part is left out where it is entered, nowhere else.
 */

/** Block formats (kernels/quant/formats/); F32, F16 and Q8_0 are in every build. TQ1_0 is kept as TQ2_0. */
export const HAS_Q4_0: bool = !isDefined(WITHOUT_Q4_0);
export const HAS_Q4_1: bool = !isDefined(WITHOUT_Q4_1);
export const HAS_Q5_0: bool = !isDefined(WITHOUT_Q5_0);
export const HAS_Q5_1: bool = !isDefined(WITHOUT_Q5_1);
export const HAS_Q2_K: bool = !isDefined(WITHOUT_Q2_K);
export const HAS_Q3_K: bool = !isDefined(WITHOUT_Q3_K);
export const HAS_Q4_K: bool = !isDefined(WITHOUT_Q4_K);
export const HAS_Q5_K: bool = !isDefined(WITHOUT_Q5_K);
export const HAS_Q6_K: bool = !isDefined(WITHOUT_Q6_K);
export const HAS_IQ4_NL: bool = !isDefined(WITHOUT_IQ4_NL);
export const HAS_IQ4_XS: bool = !isDefined(WITHOUT_IQ4_XS);
export const HAS_BF16: bool = !isDefined(WITHOUT_BF16);
export const HAS_TQ1_0: bool = !isDefined(WITHOUT_TQ1_0);
export const HAS_TQ2_0: bool = !isDefined(WITHOUT_TQ2_0) || HAS_TQ1_0;
export const HAS_MXFP4: bool = !isDefined(WITHOUT_MXFP4);
export const HAS_NVFP4: bool = !isDefined(WITHOUT_NVFP4);
export const HAS_Q1_0: bool = !isDefined(WITHOUT_Q1_0);
export const HAS_Q2_0: bool = !isDefined(WITHOUT_Q2_0);
export const HAS_IQ1_S: bool = !isDefined(WITHOUT_IQ1_S);
export const HAS_IQ1_M: bool = !isDefined(WITHOUT_IQ1_M);
export const HAS_IQ2_XXS: bool = !isDefined(WITHOUT_IQ2_XXS);
export const HAS_IQ2_XS: bool = !isDefined(WITHOUT_IQ2_XS);
export const HAS_IQ2_S: bool = !isDefined(WITHOUT_IQ2_S);
export const HAS_IQ3_XXS: bool = !isDefined(WITHOUT_IQ3_XXS);
export const HAS_IQ3_S: bool = !isDefined(WITHOUT_IQ3_S);
/** Formats whose weights are words of a codebook: for reading. */
export const HAS_CODEBOOKS: bool =
  HAS_IQ1_S || HAS_IQ1_M || HAS_IQ2_XXS || HAS_IQ2_XS || HAS_IQ2_S || HAS_IQ3_XXS || HAS_IQ3_S;
export const HAS_ALL_FORMATS: bool =
  HAS_Q4_0 &&
  HAS_Q4_1 &&
  HAS_Q5_0 &&
  HAS_Q5_1 &&
  HAS_Q2_K &&
  HAS_Q3_K &&
  HAS_Q4_K &&
  HAS_Q5_K &&
  HAS_Q6_K &&
  HAS_IQ4_NL &&
  HAS_IQ4_XS &&
  HAS_BF16 &&
  HAS_TQ1_0 &&
  HAS_TQ2_0 &&
  HAS_MXFP4 &&
  HAS_NVFP4 &&
  HAS_Q1_0 &&
  HAS_Q2_0 &&
  HAS_IQ1_S &&
  HAS_IQ1_M &&
  HAS_IQ2_XXS &&
  HAS_IQ2_XS &&
  HAS_IQ2_S &&
  HAS_IQ3_XXS &&
  HAS_IQ3_S;

/** Architectures (models/registry.ts). */
export const HAS_LLAMA: bool = !isDefined(WITHOUT_LLAMA);
export const HAS_QWEN2: bool = !isDefined(WITHOUT_QWEN2);
export const HAS_QWEN3: bool = !isDefined(WITHOUT_QWEN3);
export const HAS_PLM: bool = !isDefined(WITHOUT_PLM);
export const HAS_MEMORYFORMER: bool = !isDefined(WITHOUT_MEMORYFORMER);
export const HAS_PHI2: bool = !isDefined(WITHOUT_PHI2);
export const HAS_GEMMA: bool = !isDefined(WITHOUT_GEMMA);
export const HAS_GEMMA2: bool = !isDefined(WITHOUT_GEMMA2);
export const HAS_GEMMA3: bool = !isDefined(WITHOUT_GEMMA3);
export const HAS_QWEN3MOE: bool = !isDefined(WITHOUT_QWEN3MOE);
export const HAS_QWEN2MOE: bool = !isDefined(WITHOUT_QWEN2MOE);
export const HAS_PHI3: bool = !isDefined(WITHOUT_PHI3);
export const HAS_SMOLLM3: bool = !isDefined(WITHOUT_SMOLLM3);
export const HAS_GRANITE: bool = !isDefined(WITHOUT_GRANITE);
export const HAS_GRANITEMOE: bool = !isDefined(WITHOUT_GRANITEMOE);
export const HAS_MINICPM: bool = !isDefined(WITHOUT_MINICPM);
export const HAS_ARCEE: bool = !isDefined(WITHOUT_ARCEE);
export const HAS_MISTRAL3: bool = !isDefined(WITHOUT_MISTRAL3);
export const HAS_APERTUS: bool = !isDefined(WITHOUT_APERTUS);
export const HAS_OLMO2: bool = !isDefined(WITHOUT_OLMO2);
export const HAS_EXAONE: bool = !isDefined(WITHOUT_EXAONE);
export const HAS_EXAONE4: bool = !isDefined(WITHOUT_EXAONE4);
export const HAS_COHERE2: bool = !isDefined(WITHOUT_COHERE2);
export const HAS_COMMAND_R: bool = !isDefined(WITHOUT_COMMAND_R);
export const HAS_HUNYUAN_DENSE: bool = !isDefined(WITHOUT_HUNYUAN_DENSE);
export const HAS_GLM4: bool = !isDefined(WITHOUT_GLM4);
export const HAS_INTERNLM2: bool = !isDefined(WITHOUT_INTERNLM2);
export const HAS_ERNIE4_5: bool = !isDefined(WITHOUT_ERNIE4_5);
export const HAS_OLMOE: bool = !isDefined(WITHOUT_OLMOE);
export const HAS_GPT_OSS: bool = !isDefined(WITHOUT_GPT_OSS);
export const HAS_DEEPSEEK2: bool = !isDefined(WITHOUT_DEEPSEEK2);
export const HAS_MINICPM3: bool = !isDefined(WITHOUT_MINICPM3);
export const HAS_DECI: bool = !isDefined(WITHOUT_DECI);
export const HAS_GPT2: bool = !isDefined(WITHOUT_GPT2);
export const HAS_GPTNEOX: bool = !isDefined(WITHOUT_GPTNEOX);
export const HAS_STARCODER2: bool = !isDefined(WITHOUT_STARCODER2);
export const HAS_STABLELM: bool = !isDefined(WITHOUT_STABLELM);
export const HAS_GEMMA4: bool = !isDefined(WITHOUT_GEMMA4);
export const HAS_GEMMA3N: bool = !isDefined(WITHOUT_GEMMA3N);
export const HAS_BERT: bool = !isDefined(WITHOUT_BERT);
export const HAS_NOMIC_BERT: bool = !isDefined(WITHOUT_NOMIC_BERT);
export const HAS_NOMIC_BERT_MOE: bool = !isDefined(WITHOUT_NOMIC_BERT_MOE);
export const HAS_JINA_BERT_V2: bool = !isDefined(WITHOUT_JINA_BERT_V2);
export const HAS_JINA_BERT_V3: bool = !isDefined(WITHOUT_JINA_BERT_V3);
export const HAS_MODERN_BERT: bool = !isDefined(WITHOUT_MODERN_BERT);
export const HAS_EUROBERT: bool = !isDefined(WITHOUT_EUROBERT);
export const HAS_GEMMA_EMBEDDING: bool = !isDefined(WITHOUT_GEMMA_EMBEDDING);
export const HAS_T5: bool = !isDefined(WITHOUT_T5);
export const HAS_MU: bool = !isDefined(WITHOUT_MU);
export const HAS_T5ENCODER: bool = !isDefined(WITHOUT_T5ENCODER);
export const HAS_LFM2: bool = !isDefined(WITHOUT_LFM2);
export const HAS_MAMBA2: bool = !isDefined(WITHOUT_MAMBA2);
export const HAS_QWEN35: bool = !isDefined(WITHOUT_QWEN35);
export const HAS_QWEN3NEXT: bool = !isDefined(WITHOUT_QWEN3NEXT);
export const HAS_GRANITEHYBRID: bool = !isDefined(WITHOUT_GRANITEHYBRID);
export const HAS_FALCON_H1: bool = !isDefined(WITHOUT_FALCON_H1);
export const HAS_NEMOTRON_H: bool = !isDefined(WITHOUT_NEMOTRON_H);
export const HAS_MAMBA: bool = !isDefined(WITHOUT_MAMBA);
export const HAS_JAMBA: bool = !isDefined(WITHOUT_JAMBA);
export const HAS_RWKV7: bool = !isDefined(WITHOUT_RWKV7);
export const HAS_RWKV6: bool = !isDefined(WITHOUT_RWKV6);
export const HAS_LFM2MOE: bool = !isDefined(WITHOUT_LFM2MOE);
export const HAS_STARCODER: bool = !isDefined(WITHOUT_STARCODER);
export const HAS_FALCON: bool = !isDefined(WITHOUT_FALCON);
export const HAS_OLMO: bool = !isDefined(WITHOUT_OLMO);
export const HAS_BLOOM: bool = !isDefined(WITHOUT_BLOOM);
export const HAS_MPT: bool = !isDefined(WITHOUT_MPT);
export const HAS_NEMOTRON: bool = !isDefined(WITHOUT_NEMOTRON);
export const HAS_JAIS2: bool = !isDefined(WITHOUT_JAIS2);
export const HAS_SEED_OSS: bool = !isDefined(WITHOUT_SEED_OSS);
export const HAS_BAICHUAN: bool = !isDefined(WITHOUT_BAICHUAN);
export const HAS_QWEN: bool = !isDefined(WITHOUT_QWEN);
export const HAS_CHATGLM: bool = !isDefined(WITHOUT_CHATGLM);
export const HAS_OPENELM: bool = !isDefined(WITHOUT_OPENELM);
export const HAS_ORION: bool = !isDefined(WITHOUT_ORION);
export const HAS_XVERSE: bool = !isDefined(WITHOUT_XVERSE);
export const HAS_REFACT: bool = !isDefined(WITHOUT_REFACT);
export const HAS_CODESHELL: bool = !isDefined(WITHOUT_CODESHELL);
export const HAS_JAIS: bool = !isDefined(WITHOUT_JAIS);
export const HAS_MAINCODER: bool = !isDefined(WITHOUT_MAINCODER);
export const HAS_BITNET: bool = !isDefined(WITHOUT_BITNET);
export const HAS_BITNET_B1_58: bool = !isDefined(WITHOUT_BITNET_B1_58);
export const HAS_PHIMOE: bool = !isDefined(WITHOUT_PHIMOE);
export const HAS_ERNIE4_5_MOE: bool = !isDefined(WITHOUT_ERNIE4_5_MOE);
export const HAS_HUNYUAN_MOE: bool = !isDefined(WITHOUT_HUNYUAN_MOE);
export const HAS_BAILINGMOE: bool = !isDefined(WITHOUT_BAILINGMOE);
export const HAS_DEEPSEEK: bool = !isDefined(WITHOUT_DEEPSEEK);
export const HAS_BAILINGMOE2: bool = !isDefined(WITHOUT_BAILINGMOE2);
export const HAS_AFMOE: bool = !isDefined(WITHOUT_AFMOE);
export const HAS_MELLUM: bool = !isDefined(WITHOUT_MELLUM);
export const HAS_LLAMA4: bool = !isDefined(WITHOUT_LLAMA4);
export const HAS_COHERE2MOE: bool = !isDefined(WITHOUT_COHERE2MOE);
export const HAS_SMALLTHINKER: bool = !isDefined(WITHOUT_SMALLTHINKER);

/** Chunks of tokens that see each other alone (pass/visible.ts). */
export const HAS_CHUNKS: bool = HAS_LLAMA4;

/** Ops (ops/ops.ts): builds.json says which architectures write each. */
export const HAS_ATTENTION: bool = !isDefined(WITHOUT_ATTENTION);
export const HAS_LAYER_NORM: bool = !isDefined(WITHOUT_LAYER_NORM);
export const HAS_SILU: bool = !isDefined(WITHOUT_SILU);
export const HAS_GELU: bool = !isDefined(WITHOUT_GELU);
export const HAS_GELU_ERF: bool = !isDefined(WITHOUT_GELU_ERF);
export const HAS_RELU: bool = !isDefined(WITHOUT_RELU);
export const HAS_CLAMPED_SILU: bool = !isDefined(WITHOUT_CLAMPED_SILU);
export const HAS_CLAMP: bool = !isDefined(WITHOUT_CLAMP);
export const HAS_XIELU: bool = !isDefined(WITHOUT_XIELU);
export const HAS_SQUARED_RELU: bool = !isDefined(WITHOUT_SQUARED_RELU);
export const HAS_LATENT_ATTENTION: bool = !isDefined(WITHOUT_LATENT_ATTENTION);
export const HAS_LOOK_UP: bool = !isDefined(WITHOUT_LOOK_UP);
export const HAS_SCALE: bool = !isDefined(WITHOUT_SCALE);
export const HAS_SOFTCAP: bool = !isDefined(WITHOUT_SOFTCAP);
export const HAS_GATE: bool = !isDefined(WITHOUT_GATE);
export const HAS_SLICE: bool = !isDefined(WITHOUT_SLICE);
export const HAS_EXPERTS: bool = !isDefined(WITHOUT_EXPERTS);
export const HAS_SPARSIFY: bool = !isDefined(WITHOUT_SPARSIFY);
export const HAS_STREAMS: bool = !isDefined(WITHOUT_STREAMS);
export const HAS_ATTENTION_WITHIN: bool = !isDefined(WITHOUT_ATTENTION_WITHIN);
export const HAS_DISTANCE_BIAS: bool = !isDefined(WITHOUT_DISTANCE_BIAS);
export const HAS_JOIN: bool = !isDefined(WITHOUT_JOIN);
export const HAS_HALF: bool = !isDefined(WITHOUT_HALF);
export const HAS_PRODUCT: bool = !isDefined(WITHOUT_PRODUCT);
export const HAS_SIGMOID: bool = !isDefined(WITHOUT_SIGMOID);
export const HAS_TANH: bool = !isDefined(WITHOUT_TANH);
export const HAS_CONVOLUTION: bool = !isDefined(WITHOUT_CONVOLUTION);
export const HAS_SELECTIVE_SCAN: bool = !isDefined(WITHOUT_SELECTIVE_SCAN);
export const HAS_DUAL_SCAN: bool = !isDefined(WITHOUT_DUAL_SCAN);
export const HAS_DELTA_RULE: bool = !isDefined(WITHOUT_DELTA_RULE);
export const HAS_TOKEN_SHIFT: bool = !isDefined(WITHOUT_TOKEN_SHIFT);
export const HAS_WKV6: bool = !isDefined(WITHOUT_WKV6);
export const HAS_WKV7: bool = !isDefined(WITHOUT_WKV7);
/** What all of them share: whoever scans convolves or shifts. */
export const HAS_RECURRENT: bool = HAS_CONVOLUTION || HAS_TOKEN_SHIFT;

/** Tokenizers: byte-level BPE ("gpt2"), SentencePiece by scores ("llama"); "gemma4" is in a build that has both. */
export const HAS_BPE: bool = !isDefined(WITHOUT_BPE);
export const HAS_SPM: bool = !isDefined(WITHOUT_SPM);
/** WordPiece ("bert"), SentencePiece's unigram model ("t5"), RWKV's vocabulary ("rwkv"). */
export const HAS_WORDPIECE: bool = !isDefined(WITHOUT_WORDPIECE);
export const HAS_UNIGRAM: bool = !isDefined(WITHOUT_UNIGRAM);
export const HAS_RWKV: bool = !isDefined(WITHOUT_RWKV);

/** Vectors of texts, scores of documents, and encoders before decoders (exports/texts.ts). */
export const HAS_VECTORS: bool = !isDefined(WITHOUT_VECTORS);

/** Adapters: low rank beside weights (weights/low_rank.ts). */
export const HAS_ADAPTERS: bool = !isDefined(WITHOUT_ADAPTERS);

/** Decoding with a part of the neurons alone (program/core_neurons.ts). */
export const HAS_CORE_NEURONS: bool = !isDefined(WITHOUT_CORE_NEURONS);

/** Kernels by themselves (`kernel_…`): what only they reach. */
export const HAS_KERNELS: bool = !isDefined(WITHOUT_KERNELS);

/** Answers that obey a grammar (assembly/grammar/). */
export const HAS_GRAMMAR: bool = !isDefined(WITHOUT_GRAMMAR);

/** Runs beside the heap of merges (text/queue.ts). */
export const HAS_LONG_WORDS: bool = !isDefined(WITHOUT_LONG_WORDS);

/** Programs as text (program/print.ts). */
export const HAS_PRINT: bool = !isDefined(WITHOUT_PRINT);

/**
 * The samplers beside temperature, top-k, top-p, min-p and the repetition penalty (engine/sampler_options.ts), budgets
 * of reasoning, sessions that share passes, and rows that are evicted.
 */
export const HAS_SAMPLERS: bool = !isDefined(WITHOUT_SAMPLERS);

/** The names of architectures that the build leaves out (engine/architecture.ts). */
export const HAS_NAMES: bool = !isDefined(WITHOUT_NAMES);

/** Chat templates that are written in the core (text/chat.ts). */
export const HAS_CHAT_TEMPLATES: bool = !isDefined(WITHOUT_CHAT_TEMPLATES);

/** Families of operators (graphs/families.ts): builds.json says which operators are in each. */
export const HAS_GRAPH_CONVOLUTION: bool = !isDefined(WITHOUT_GRAPH_CONVOLUTION);
export const HAS_GRAPH_FULLY_CONNECTED: bool = !isDefined(WITHOUT_GRAPH_FULLY_CONNECTED);
export const HAS_GRAPH_POOL: bool = !isDefined(WITHOUT_GRAPH_POOL);
export const HAS_GRAPH_ELEMENTWISE: bool = !isDefined(WITHOUT_GRAPH_ELEMENTWISE);
export const HAS_GRAPH_UNARY: bool = !isDefined(WITHOUT_GRAPH_UNARY);
export const HAS_GRAPH_REDUCTION: bool = !isDefined(WITHOUT_GRAPH_REDUCTION);
export const HAS_GRAPH_ARRANGEMENT: bool = !isDefined(WITHOUT_GRAPH_ARRANGEMENT);
export const HAS_GRAPH_JOINT: bool = !isDefined(WITHOUT_GRAPH_JOINT);
export const HAS_GRAPH_GATHER: bool = !isDefined(WITHOUT_GRAPH_GATHER);
export const HAS_GRAPH_RESIZE: bool = !isDefined(WITHOUT_GRAPH_RESIZE);
export const HAS_GRAPH_STATE: bool = !isDefined(WITHOUT_GRAPH_STATE);
export const HAS_GRAPH_ARG_MAX: bool = !isDefined(WITHOUT_GRAPH_ARG_MAX);
export const HAS_GRAPH_TRANSPOSED: bool = !isDefined(WITHOUT_GRAPH_TRANSPOSED);
export const HAS_GRAPH_MATMUL: bool = !isDefined(WITHOUT_GRAPH_MATMUL);
export const HAS_GRAPH_ROWS: bool = !isDefined(WITHOUT_GRAPH_ROWS);
export const HAS_GRAPH_SIGNAL: bool = !isDefined(WITHOUT_GRAPH_SIGNAL);
export const HAS_GRAPH_LSTM: bool = !isDefined(WITHOUT_GRAPH_LSTM);
export const HAS_GRAPH_SVDF: bool = !isDefined(WITHOUT_GRAPH_SVDF);
export const HAS_GRAPH_TOP: bool = !isDefined(WITHOUT_GRAPH_TOP);
export const HAS_GRAPH_DENSIFY: bool = !isDefined(WITHOUT_GRAPH_DENSIFY);
export const HAS_GRAPH_CONTROL: bool = !isDefined(WITHOUT_GRAPH_CONTROL);

/** Guard bytes around blocks of memory (memory/guards.ts): builds for fuzzers, of which none ships. */
export const HAS_GUARDS: bool = isDefined(WITH_GUARDS);
