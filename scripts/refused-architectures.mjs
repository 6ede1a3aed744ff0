/** Architectures that llama.cpp knows and limpet refuses by name, and why, for docs/models.md. */

/** @type {Record<string, readonly string[]>} */
export const REFUSED = {
  "it reads pictures or makes sound, and its text alone is not what its files are for": [
    ...["clip", "cogvlm", "chameleon", "deepseek2-ocr", "hunyuan_vl", "paddleocr", "qwen2vl", "qwen3vl", "qwen3vlmoe"],
    ...["wavtokenizer-dec", "qwen3tts", "pockettts"],
  ],
  "it drafts tokens for another model, whose layers it reads": ["dflash", "eagle3", "gemma4-assistant"],
  "it fills gaps in a text instead of going on with it": ["dream", "llada", "llada-moe", "rnd1"],
  "its models have more than 25 billion parameters": [
    ...["arctic", "bailingmoe3", "dbrx", "deepseek32", "deepseek4", "dots1", "dots3note", "exaone-moe", "glm4moe"],
    ...["glm-dsa", "grok", "hy_v3", "hy_v4", "kimi-k3", "kimi-linear", "laguna", "mimo2", "minimax-01", "minimax-m2"],
    ...["minimax-m3", "mistral4", "nemotron_h_moe", "qwen35moe", "qwen4exp", "step35"],
  ],
  "llama.cpp gives its second experts another input than the released code, and there is no third to ask": ["grovemoe"],
  "its layers are gone through several times": ["hrm_text", "nanbeige"],
  "few have files of it": [
    ...["arwkv7", "granite_swa", "graniteswitch", "llama-embed", "maple", "muse-glimmer", "neo-bert", "pangu-embedded"],
    ...["plamo", "plamo2", "plamo3", "rwkv6qwen2", "spark2_5", "talkie"],
  ],
  "llama.cpp has its name alone": ["gptj"],
};
