/**
 * The command line as one table: commands, flags, their defaults and texts, and the words of what can be wrong with a
 * command line. The command of the JS hosts (src/cli) and the WASI command (assembly/wasi) read the same strings at run
 * time, so this file keeps to what TypeScript and AssemblyScript have in common: constants of literal strings, ASCII.
 *
 *     COMMANDS  name ARGUMENTS|text            `MODEL?`: may be left out · `MODEL...`: one or more
 *                 ids of its flags              indented, on as many lines as they take
 *     FLAGS     id|-s|--name|VALUE|default|text
 *
 *     VALUE     empty: a switch · N: a whole number, 0 or more · X: a number · a,b,c: one of these words ·
 *               TEXT, FILE, LIST: any text · TEXT+: any text, and the flag may be given several times
 *
 * A flag's id is what a command names it by: `-p` is a text to `generate` and a number to `bench`. A field without
 * content is empty, and no field holds a bar. A value follows its flag as the next word, whatever that looks like, or
 * behind `=` in a long one; `--` ends the flags; a lone `-` is an argument. `-h` and `--help` go with every command.
 * TEXT of `-` is what stdin holds.
 */

export const TITLE: string = "limpet runs small language models in WebAssembly.";

export const USAGE: string = "usage: limpet COMMAND [ARGUMENTS] [FLAGS]";

export const COMMANDS: string = `
generate MODEL?|continue a text, or answer it with --chat
  prompt suffix schema regex grammar grammar-table max-tokens temp top-k top-p min-p repeat-penalty
  repeat-last-n presence-penalty frequency-penalty dry-multiplier dry-base dry-allowed-length dry-penalty-last-n
  top-n-sigma typical-p xtc-probability xtc-threshold dynatemp-range dynatemp-exp mirostat-ent mirostat-lr
  logit-bias ban force reasoning-budget seed stop form chat json
  build ctx kv tables table-cache threads
chat MODEL?|talk: a line in, an answer out, until the input ends
  system schema regex grammar grammar-table answer temp top-k top-p min-p repeat-penalty
  repeat-last-n presence-penalty frequency-penalty dry-multiplier dry-base dry-allowed-length dry-penalty-last-n
  top-n-sigma typical-p xtc-probability xtc-threshold dynatemp-range dynatemp-exp mirostat-ent mirostat-lr
  logit-bias ban force reasoning-budget seed stop build ctx kv tables table-cache threads
tokenize MODEL TEXT|print a text's token ids as JSON
  bos special
embed MODEL TEXT...|print the vector of each text, a line of JSON each; - reads texts from stdin, a line each
  pooling dimensions raw prompt-name truncate build kv tables table-cache threads
rerank MODEL QUERY TEXT...|rank texts by how well they answer the query, a line of JSON each; - reads texts from stdin
  top truncate build kv tables table-cache threads
logits MODEL|write the logits of tokens as raw little-endian f32, [tokens, vocabulary]
  tokens out form chunk build ctx kv tables table-cache threads
perplexity MODEL FILE|measure how well the model foresees a text, as JSON
  window windows build kv tables table-cache threads
bench MODEL?|measure loading, prefill and decoding, as JSON
  prefill decode build ctx kv tables table-cache threads
inspect MODEL|show a file's metadata and tensors, or the steps of its forward pass
  json program time build
quantize IN OUT TYPE|write a model in a smaller type: Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q2_K, ... (in Node and Deno)
convert DIR OUT|make a GGUF file of a checkpoint: config.json, safetensors, tokenizer (in Node and Deno)
  type
slim MODEL...|build a wasm with only what these models need (in a checkout of limpet)
  out like
grammar SCHEMA|write a JSON schema as a table for --grammar-table, which every host takes (in Node and Deno)
  out
doctor|show what this host can do and check that it computes right
`;

export const FLAGS: string = `
prompt|-p|--prompt|TEXT||the text to begin with; - reads it from stdin
suffix||--suffix|TEXT||what follows the text: generate what is missing between, if the model was trained to
schema||--schema|FILE||answer with JSON that this JSON schema allows (in Node and Deno)
regex||--regex|TEXT||answer with a text that this regular expression matches (in Node and Deno)
grammar||--grammar|FILE||answer with a text of this grammar in GBNF (in Node and Deno)
grammar-table||--grammar-table|FILE||answer with a text of this table, which limpet grammar has written
max-tokens|-n|--max-tokens|N|64|most tokens to generate
answer|-n|--max-tokens|N|512|most tokens of an answer
temp||--temp|X|0|temperature; 0 always takes the likeliest token
top-k||--top-k|N|0|draw from the K likeliest tokens; 0: from all
top-p||--top-p|X|1|draw from the likeliest tokens that make up this probability
min-p||--min-p|X|0|drop tokens below this share of the likeliest one's probability
repeat-penalty||--repeat-penalty|X|1|make the last tokens less likely; 1: not
repeat-last-n||--repeat-last-n|N|64|how many of the last tokens the penalties look at; 0: all
presence-penalty||--presence-penalty|X|0|take this from the logits of those tokens
frequency-penalty||--frequency-penalty|X|0|take this from them for each time that they came
dry-multiplier||--dry-multiplier|X|0|DRY: the penalty of going on with a repetition; 0: none
dry-base||--dry-base|X|1.75|DRY: so many times as much for each token that the repetition is longer
dry-allowed-length||--dry-allowed-length|N|2|DRY: repetitions up to this length cost nothing
dry-penalty-last-n||--dry-penalty-last-n|N|0|DRY: how many of the last tokens it looks at; 0: all
top-n-sigma||--top-n-sigma|X|0|drop tokens so many standard deviations below the likeliest logit; 0: none
typical-p||--typical-p|X|1|draw from the most typical tokens that make up this probability
xtc-probability||--xtc-probability|X|0|XTC: how often the likeliest tokens are excluded
xtc-threshold||--xtc-threshold|X|0.1|XTC: the probability from which a token is one of them
dynatemp-range||--dynatemp-range|X|0|how far the temperature may move with the entropy
dynatemp-exp||--dynatemp-exp|X|1|exponent of the normalised entropy in that
mirostat-ent||--mirostat-ent|X|0|Mirostat 2: the surprise to aim at, in bits; 0: off
mirostat-lr||--mirostat-lr|X|0.1|Mirostat 2: how quickly it learns
logit-bias||--logit-bias|LIST||what is added to logits: ID:BIAS with commas between
ban||--ban|LIST||token ids, with commas between, that never come
force||--force|LIST||draw from these token ids alone
reasoning-budget||--reasoning-budget|N||close reasoning (<think>) after so many tokens; 0: none
seed||--seed|N|0|start of the random numbers: the same seed gives the same text in every host
stop||--stop|TEXT+||end before this text
form||--form|auto,absorbed,expanded|auto|how latent attention (MLA) is computed
chat||--chat|||take the text as a user's message, through the model's chat template
system||--system|TEXT||the system message
json||--json|||print JSON
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
like||--like|BUILD|portable|which build of docs/builds.md it is like
build||--build|portable,fast,scalar|portable|which build computes; portable and scalar give the same bits
ctx|-c|--ctx|N|0|tokens of context; 0: the model's, at most 4096
kv||--kv|f16,f32,q8_0|f16|type of the cached keys and values
tables||--tables|resident,stream|resident|where look-up tables are: in memory, or read from the file row by row
table-cache||--table-cache|N|8|MiB of memory for rows of tables in the file; 0: none
threads|-t|--threads|N|1|threads to compute with
`;

/** Below the list of commands. */
export const HINT: string = "limpet COMMAND --help shows the flags of a command.";

/** What is wrong with a command line; {} stands for the word at fault. Printed as `limpet: …`, then HINT; status 2. */
export const NO_COMMAND: string = "a command is missing";
export const UNKNOWN_COMMAND: string = "there is no command {}";
export const UNKNOWN_FLAG: string = "there is no flag {} here";
export const NO_VALUE: string = "{} wants a value";
export const SURPLUS_VALUE: string = "{} takes no value";
export const BAD_NUMBER: string = "{} wants a number";
export const BAD_WHOLE_NUMBER: string = "{} wants a whole number, 0 or more";
export const BAD_CHOICE: string = "{} wants one of: ";
export const NO_ARGUMENT: string = "{} is missing";
export const SURPLUS_ARGUMENT: string = "{} is one argument too many";
export const NO_FLAG: string = "the flag {} is missing";
export const NO_JSON: string = "{} is not printed as JSON";
export const NOT_TOGETHER: string = "{} does not go with --chat";
export const BAD_TOKENS: string = "--tokens wants token ids with commas between, not {}";

export const BAD_TOKEN_LIST: string = "{} wants token ids with commas between";
export const BAD_BIASES: string = "{} wants ID:BIAS with commas between";

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

/** `finish_reason` of `generate --json`, by the number of the core's Finish. */
export const FINISH_REASONS: string = "none stop length stop_string context";
