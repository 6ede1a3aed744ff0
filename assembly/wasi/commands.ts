/**
 * The command line as one table: commands, flags, their defaults and texts, and the words of what can be wrong with a
 * command line. The command of the JS hosts (src/cli) and the WASI command (assembly/wasi) read the same strings at run
 * time, so this file keeps to what TypeScript and AssemblyScript have in common: constants of literal strings, ASCII.
 *
 *     COMMANDS  name ARGUMENTS|text            `TEXT?`: may be left out · `MODEL*`: is the model that ships where it is
 *                                              left out; not in WASI · `MODEL...`: one or more · `MODEL...?`: any
 *                 ids of its flags              indented, on as many lines as they take
 *     FLAGS     id|-s|--name|VALUE|default|text
 *
 *     VALUE     empty: a switch · N: a whole number, 0 or more · P: one from 1 on · X: a number · a,b,c: one of these
 *               words · TEXT, FILE, LIST: any text · TEXT+: any text, and the flag may be given several times
 *
 * A flag's id is what a command names it by: `-p` is a text to `generate` and a number to `bench`. A field without
 * content is empty, and no field holds a bar. A value follows its flag as the next word, whatever that looks like, or
 * behind `=` in a long one; `--` ends the flags; a lone `-` is an argument. `-h` and `--help` go with every command.
 * TEXT of `-` is what stdin holds.
 *
 * `generate` and `chat` choose tokens as RECOMMENDED says; every other command and the API take what is given alone.
 */

export const TITLE: string = "limpet runs small language models in WebAssembly.";

export const COMMANDS: string = `
generate MODEL* TEXT?|continue a text (of TEXT, -p or a pipe), or answer it with --chat
  prompt suffix system schema regex grammar grammar-table max-tokens temp top-k top-p min-p repeat-penalty
  repeat-last-n presence-penalty frequency-penalty dry-multiplier dry-base dry-allowed-length dry-penalty-last-n
  top-n-sigma typical-p xtc-probability xtc-threshold dynatemp-range dynatemp-exp mirostat-ent mirostat-lr
  logit-bias ban force reasoning-budget seed stop form speculate draft prompt-cache chat json
  best lora ctx kv kv-policy kv-budget tables table-cache experts expert-cache threads
chat MODEL*|talk: a line in, an answer out, until the input ends
  system schema regex grammar grammar-table answer temp top-k top-p min-p repeat-penalty
  repeat-last-n presence-penalty frequency-penalty dry-multiplier dry-base dry-allowed-length dry-penalty-last-n
  top-n-sigma typical-p xtc-probability xtc-threshold dynatemp-range dynatemp-exp mirostat-ent mirostat-lr
  logit-bias ban force reasoning-budget seed stop speculate draft
  best lora ctx kv kv-policy kv-budget tables table-cache experts expert-cache threads
serve MODEL...?|answer over HTTP as OpenAI's and Anthropic's servers do; NAME=MODEL names one (in Node and Deno)
  host port key cors allow-host parallel queue models-memory adapted best conversation kv
  tables table-cache experts expert-cache threads
tokenize MODEL TEXT|print a text's token ids as JSON
  bos special
embed MODEL TEXT...|print the vector of each text, a line of JSON each; - reads texts from stdin, a line each
  pooling dimensions raw prompt-name truncate build lora kv tables table-cache experts expert-cache threads
rerank MODEL QUERY TEXT...|rank texts by how well they answer the query, a line of JSON each; - reads texts from stdin
  top truncate build lora kv tables table-cache experts expert-cache threads
logits MODEL|write the logits of tokens as raw little-endian f32, [tokens, vocabulary]
  tokens out form chunk build lora ctx kv tables table-cache experts expert-cache threads
perplexity MODEL FILE|measure how well the model foresees a text, as JSON
  window windows build lora kv tables table-cache experts expert-cache threads
bench MODEL*|measure loading, prefill and decoding, as JSON
  prefill decode build ctx kv kv-policy kv-budget tables table-cache experts expert-cache threads
inspect MODEL|show a file's metadata and tensors, or the steps of its forward pass
  json program time build
graph FILE|show what a .tflite network takes and gives, or run it
  input values-memory out json
quantize IN OUT TYPE|write a model in a smaller type: Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q2_K, ... (in Node and Deno)
convert DIR OUT|make a GGUF file of a checkpoint: config.json, safetensors, tokenizer (in Node and Deno)
  type base
slim MODEL...|build a wasm with only what these models need (in a checkout of limpet)
  out like
pull NAME|fetch a model of a hub: hf:owner/repository, with :Q4_K_M or /file.gguf, and @revision (in Node and Deno)
list|show the models that were fetched (in Node and Deno)
rm NAME|delete a model that was fetched, or all of a repository (in Node and Deno)
grammar SCHEMA|write a JSON schema as a table for --grammar-table, which every host takes (in Node and Deno)
  out
doctor MODEL?|show what this host can do, check that it computes right, and whether it holds a model
  ctx kv
`;

export const FLAGS: string = `
prompt|-p|--prompt|TEXT||the text to begin with, and a pipe's behind it (in Node and Deno); - reads stdin
suffix||--suffix|TEXT||what follows the text: generate what is missing between, if the model was trained to
schema||--schema|FILE||answer with JSON that this JSON schema allows (in Node and Deno)
regex||--regex|TEXT||answer with a text that this regular expression matches (in Node and Deno)
grammar||--grammar|FILE||answer with a text of this grammar in GBNF (in Node and Deno)
grammar-table||--grammar-table|FILE||answer with a text of this table, which limpet grammar has written
max-tokens|-n|--max-tokens|N|256|most tokens to generate
answer|-n|--max-tokens|N||most tokens of an answer (default: to the end of the context)
temp||--temp|X||temperature; 0 always takes the likeliest token (default: the file's, else 0.7)
top-k||--top-k|N||draw from the K likeliest tokens; 0: from all (default: the file's, else 0)
top-p||--top-p|X||draw from the likeliest that make up this probability (default: the file's, else 1)
min-p||--min-p|X||drop tokens below this share of the likeliest one (default: the file's, else 0.05)
repeat-penalty||--repeat-penalty|X||make the last tokens less likely; 1: not (default: the file's, else 1.05)
repeat-last-n||--repeat-last-n|N||how many tokens the penalties look at; 0: all (default: the file's, else 64)
presence-penalty||--presence-penalty|X|0|take this from the logits of those tokens
frequency-penalty||--frequency-penalty|X|0|take this from them for each time that they came
dry-multiplier||--dry-multiplier|X|0|DRY: the penalty of going on with a repetition; 0: none
dry-base||--dry-base|X|1.75|DRY: so many times as much for each token that the repetition is longer
dry-allowed-length||--dry-allowed-length|N|2|DRY: repetitions up to this length cost nothing
dry-penalty-last-n||--dry-penalty-last-n|N|0|DRY: how many of the last tokens it looks at; 0: all
top-n-sigma||--top-n-sigma|X|0|drop tokens so many standard deviations below the likeliest logit; 0: none
typical-p||--typical-p|X|1|draw from the most typical tokens that make up this probability
xtc-probability||--xtc-probability|X||XTC: how often the likeliest are excluded (default: the file's, else 0)
xtc-threshold||--xtc-threshold|X||XTC: the probability that makes one of them (default: the file's, else 0.1)
dynatemp-range||--dynatemp-range|X|0|how far the temperature may move with the entropy
dynatemp-exp||--dynatemp-exp|X|1|exponent of the normalised entropy in that
mirostat-ent||--mirostat-ent|X|0|Mirostat 2: the surprise to aim at, in bits; 0: off
mirostat-lr||--mirostat-lr|X|0.1|Mirostat 2: how quickly it learns
logit-bias||--logit-bias|LIST||what is added to logits: ID:BIAS with commas between
ban||--ban|LIST||token ids, with commas between, that never come
force||--force|LIST||draw from these token ids alone
reasoning-budget||--reasoning-budget|N||close reasoning (<think>) after so many tokens; 0: none
seed||--seed|N||start of the random numbers: with --build portable the same text in every host (default: random)
stop||--stop|TEXT+||end before this text
form||--form|auto,absorbed,expanded|auto|how latent attention (MLA) is computed
speculate||--speculate|off,prompt,auto|off|draft what followed before; auto: where it pays (in Node and Deno)
prompt-cache||--prompt-cache|FILE||keep the prompt as it was read, and go on from what is kept (in Node and Deno)
draft||--draft|MODEL||draft with this smaller model of the same vocabulary (in Node and Deno)
chat||--chat|||take the text as a user's message, through the model's chat template
system||--system|TEXT||the system message; with generate, the text is answered as with --chat
json||--json|||print JSON
input|-i|--input|TEXT+||an input's raw values, of one run or several: FILE, in the network's order, or NAME=FILE
values-memory||--memory|N|0|bytes for values and inputs, patch by patch where that is less; 0: no limit
program||--program|||print the program: a line for each step of a pass
time||--time|||the milliseconds of each step, for a prompt of 32 tokens and for one token
bos||--bos|||add the BOS and EOS tokens that the vocabulary wants
special||--special|||parse special tokens
pooling||--pooling|file,mean,cls,last,none|file|how the rows of a text's tokens become one vector; file: as it says
dimensions||--dimensions|N|0|so many of the first values; 0: all
raw||--raw|||do not divide vectors by their length
prompt-name||--prompt-name|NAME||one of the file's prompts, which is put before each text
truncate||--truncate|||cut texts that are too long, instead of refusing them
top||--top|N|0|only so many of the best; 0: all
tokens||--tokens|LIST||token ids with commas between
out|-o|--out|FILE||the file to write
chunk||--chunk|N|0|tokens to compute at once; 0: as many as suit the model
window|-c|--ctx|N|512|tokens of a window; the second half of each is scored
windows||--windows|N|0|measure only the first windows; 0: all
prefill|-p|--prompt|N|128|tokens of the prompt
decode|-n|--max-tokens|N|64|tokens to generate
type||--type|TYPE|F16|block format of the matrices or a mix: F32, F16, BF16, Q8_0, Q4_K_M, ...
base||--base|FILE||the model of an adapter (a LoRA as PEFT saves it): DIR becomes a file for --lora, in F32 or F16
like||--like|BUILD||which build of docs/builds.md it is like (default: portable; of .tflite files, graph)
best||--build|auto,fast,portable,scalar|auto|which build computes; portable and scalar give the same bits everywhere
lora||--lora|TEXT+||an adapter (LoRA) beside the model: FILE, or FILE=WEIGHT; several may be given
adapted||--lora|TEXT+||one more model: the one that is served, with an adapter (LoRA); FILE or NAME=FILE, and =WEIGHT
build||--build|portable,fast,scalar|portable|which build computes; portable and scalar give the same bits
ctx|-c|--ctx|N|0|tokens of context; 0: as they are needed, up to the model's (WASI: 4096)
kv||--kv|f16,f32,q8_0|f16|type of the cached keys and values
kv-policy||--kv-policy|off,d2o,h2o,window|off|which rows of a full cache layer stay (in Node and Deno)
kv-budget||--kv-budget|X|0.2|the share of the context that it keeps rows of, with --kv-policy
tables||--tables|resident,stream|resident|where look-up tables are: in memory, or read from the file row by row
table-cache||--table-cache|N|8|MiB of memory for rows of tables in the file; 0: none
experts||--experts|resident,stream|resident|where experts are: in memory, or read from the file as tokens go to them
expert-cache||--expert-cache|N|512|MiB of memory for experts in the file; at least what a token takes in a layer
host||--host|ADDRESS|127.0.0.1|the address to listen at; 0.0.0.0: all of this machine's
port||--port|N|8080|the port to listen at; 0: any that is free
key||--key|TEXT+||a key that requests need (or LIMPET_API_KEY); several may be given
cors||--cors|TEXT+||an origin whose pages may use the server; *: all
allow-host||--allow-host|TEXT+||a name that the server is asked by, beside localhost and numbers; *: any
parallel||--parallel|P|8|conversations of a model that are computed together
queue||--queue|N|64|requests that wait at most
models-memory||--models-memory|N|0|MiB that loaded models may take together; 0: no limit
conversation|-c|--ctx|N|0|tokens of a conversation; 0: as many as the model was trained for, at most 4096
threads|-t|--threads|P|1|threads to compute with
`;

/** What is wrong with a command line besides what usage.ts has. */
export const NO_PROMPT: string = "a text is missing: limpet generate MODEL TEXT, -p TEXT, or a pipe";
export const NOT_TOGETHER: string = "{} does not go with --chat";
export const BAD_TOKENS: string = "--tokens wants token ids with commas between, not {}";
export const BAD_TOKEN_LIST: string = "{} wants token ids with commas between";
export const BAD_BIASES: string = "{} wants ID:BIAS with commas between";

/**
 * How `generate` and `chat` choose tokens where a flag is left out: by this key of the file, or as the third field
 * says; as the last one where the file recommends something else and not this. Where the likeliest token is taken
 * always, or a grammar allows what may come, no repetition is penalised.
 */
export const RECOMMENDED: string = `
temp|general.sampling.temp|0.7|1
top-k|general.sampling.top_k|0|0
top-p|general.sampling.top_p|1|1
min-p|general.sampling.min_p|0.05|0
repeat-penalty|general.sampling.penalty_repeat|1.05|1
repeat-last-n|general.sampling.penalty_last_n|64|64
xtc-probability|general.sampling.xtc_probability|0|0
xtc-threshold|general.sampling.xtc_threshold|0.1|0.1
`;

/** What is told behind an answer that ended before its end; {}: a number of tokens. */
export const CUT_LENGTH: string = "cut after {} tokens: -n N allows more";
export const CUT_CONTEXT: string = "cut: the context is full; -c N makes it longer";
export const FORGOT: string = "the context was full: the oldest {} tokens are forgotten";

/** The flags of the sampler's options, a line each, in the order of `SamplerOption`. */
export const SAMPLER_FLAGS: string = `
repeat-last-n
presence-penalty
frequency-penalty
dry-multiplier
dry-base
dry-allowed-length
dry-penalty-last-n
top-n-sigma
typical-p
xtc-probability
xtc-threshold
dynatemp-range
dynatemp-exp
mirostat-ent
mirostat-lr
`;

/** What ends a repetition, as DRY counts them: each of these characters. */
export const DRY_BREAKERS: string = '\n:"*';

/** Flags that compile a grammar, which the WASI command does not. */
export const TAKE_TABLE: string = "{} is for Node and Deno: limpet grammar SCHEMA -o TABLE, then --grammar-table TABLE";

/** A command that needs a host with files: what the WASI command says of it, with status 2. */
export const NOT_HERE: string = "{} is for Node and Deno: npx limpet";

/** What the WASI command for language says of `graph`, with status 2. */
export const GRAPHS_ELSEWHERE: string = "graph has a wasm of its own: limpet.graph.wasi.wasm";

/** `finish_reason` of `generate --json`, by the number of the core's Finish. */
export const FINISH_REASONS: string = "none stop length stop_string context";
