/**
 * The exports of the core as TypeScript sees them: the typed mirror of `assembly/builds/library.ts`, and nothing else.
 *
 * Every pointer, length and code is a number (a pointer at or above 2 GiB arrives negative: `Memory` and `address` put
 * that right), every u64 a bigint. Names and signatures are the same in all builds.
 */

/** An offset in the core's memory, as the core returns it: maybe negative. 0 is no object. */
export type Pointer = number;
/** Below zero: an error, whose words the core holds. 0 done, 1 more, 2 data needed, 3 a token (sessions). */
export type Status = number;

export interface CoreExports
  extends WebAssembly.Exports,
    RuntimeExports,
    ModelExports,
    ContextExports,
    SessionExports,
    GgufExports,
    TokenizerExports,
    ChatExports,
    QuantExports,
    FloatExports,
    MemoryExports {
  readonly memory: WebAssembly.Memory;
}

interface RuntimeExports {
  /** Makes the core record; 0 when the host gives no memory. */
  core_create(): Pointer;
  core_allocate(core: Pointer, bytes: bigint): Pointer;
  core_release(core: Pointer, pointer: Pointer): void;
  /** Bytes of the arena in use. */
  core_used(core: Pointer): number;
  /** No block may end above this address; 0: no limit. */
  core_set_limit(core: Pointer, limit: number): void;
  error_code(core: Pointer): number;
  error_message(core: Pointer): Pointer;
  error_message_length(core: Pointer): number;
}

interface ModelExports {
  model_create(core: Pointer, files: number, vocabularyOnly: number): Pointer;
  model_set_file_size(model: Pointer, index: number, size: bigint): Status;
  model_stream(model: Pointer, streamed: number, rowCacheBytes: number): Status;
  model_step(model: Pointer): Status;
  model_request_file(model: Pointer): number;
  model_request_offset(model: Pointer): bigint;
  model_request_length(model: Pointer): number;
  model_request_destination(model: Pointer): Pointer;
  model_streamed_bytes(model: Pointer): bigint;
  model_rows_wanted(model: Pointer): bigint;
  model_rows_read(model: Pointer): bigint;
  model_row_bytes_read(model: Pointer): bigint;
  /** 0 header, 1 planned, 2 weights, 3 ready, 4 failed. */
  model_state(model: Pointer): number;
  model_file_bytes(model: Pointer): bigint;
  model_loaded_bytes(model: Pointer): bigint;
  model_plan_bytes(model: Pointer): bigint;
  model_release(model: Pointer): Status;
  model_set_operands(model: Pointer, slot: number, form: number): Status;
  model_gguf(model: Pointer): Pointer;
  model_tokenizer(model: Pointer): Pointer;
  model_vocabulary_only(model: Pointer): number;
  model_layers(model: Pointer): number;
  model_hidden(model: Pointer): number;
  model_vocabulary(model: Pointer): number;
  model_context_length(model: Pointer): number;
  model_row_bytes(model: Pointer, kvType: number): number;
  model_full_row_bytes(model: Pointer, kvType: number): number;
  model_batch(model: Pointer): number;
}

interface ContextExports {
  context_bytes(
    model: Pointer,
    rows: number,
    batch: number,
    logitRows: number,
    sequences: number,
    kvType: number,
  ): bigint;
  context_create(
    core: Pointer,
    model: Pointer,
    rows: number,
    batch: number,
    logitRows: number,
    sequences: number,
    kvType: number,
  ): Pointer;
  context_release(context: Pointer): void;
  context_reset(context: Pointer): void;
  context_cache_bytes(context: Pointer): bigint;
  context_token_bytes(context: Pointer): number;
  /** u64[layers]: exact zeros behind ReLU² in the last pass. */
  context_zeros(context: Pointer): Pointer;
  /** u64[layers]: activations seen there. */
  context_activations(context: Pointer): Pointer;
  context_ids(context: Pointer): Pointer;
  context_sequences(context: Pointer): Pointer;
  context_positions(context: Pointer): Pointer;
  context_wanted(context: Pointer): Pointer;
  context_logits(context: Pointer): Pointer;
  context_set_form(context: Pointer, form: number): void;
  /** Multiply-adds that a step does before it returns; 2²⁸ by default. */
  context_set_step_work(context: Pointer, multiplyAdds: bigint): void;
  context_begin(context: Pointer, tokens: number, first: number, end: number): Status;
  context_step(context: Pointer): Status;
  context_request_count(context: Pointer): number;
  context_request_file(context: Pointer, index: number): number;
  context_request_offset(context: Pointer, index: number): bigint;
  context_request_length(context: Pointer, index: number): number;
  context_request_destination(context: Pointer, index: number): Pointer;
  context_abort(context: Pointer): void;
}

interface SessionExports {
  session_bytes(context: Pointer): bigint;
  session_create(core: Pointer, context: Pointer, sequence: number): Pointer;
  session_release(session: Pointer): void;
  session_tokens(session: Pointer): Pointer;
  session_count(session: Pointer): number;
  session_evaluated(session: Pointer): number;
  session_rewind(session: Pointer, count: number): void;
  session_append_tokens(session: Pointer, ids: Pointer, count: number): Status;
  session_append_text(session: Pointer, text: Pointer, length: number, flags: number): Status;
  session_replace_tokens(session: Pointer, ids: Pointer, count: number): Status;
  session_configure(
    session: Pointer,
    temperature: number,
    topK: number,
    topP: number,
    minP: number,
    repeatPenalty: number,
  ): Status;
  session_seed(session: Pointer, seed: bigint): void;
  session_add_stop(session: Pointer, text: Pointer, length: number): Status;
  session_clear_stops(session: Pointer): void;
  session_begin(session: Pointer, maxTokens: number, logprobs: number, top: number): Status;
  session_step(session: Pointer): Status;
  session_stop(session: Pointer): void;
  session_token(session: Pointer): number;
  session_text(session: Pointer): Pointer;
  session_text_length(session: Pointer): number;
  session_finish(session: Pointer): number;
  session_logprob(session: Pointer): number;
  session_top_ids(session: Pointer): Pointer;
  session_top_logprobs(session: Pointer): Pointer;
  session_save_bytes(session: Pointer): bigint;
  session_save(session: Pointer, target: Pointer): Status;
  session_restore(session: Pointer, source: Pointer, length: number): Status;
}

interface GgufExports {
  gguf_create(core: Pointer, fileIndex: number, fileSize: bigint, chunk: number): Pointer;
  gguf_step(core: Pointer, gguf: Pointer): Status;
  gguf_need_offset(gguf: Pointer): bigint;
  gguf_need_length(gguf: Pointer): number;
  gguf_need_destination(gguf: Pointer): Pointer;
  gguf_merge(core: Pointer, parts: Pointer, count: number): Status;
  gguf_version(gguf: Pointer): number;
  gguf_table_bytes(gguf: Pointer): bigint;
  gguf_entry_count(gguf: Pointer): number;
  gguf_entry(gguf: Pointer, index: number): Pointer;
  gguf_find_entry(gguf: Pointer, key: Pointer, length: number): Pointer;
  entry_key(entry: Pointer): Pointer;
  entry_key_length(entry: Pointer): number;
  entry_type(entry: Pointer): number;
  entry_element_type(entry: Pointer): number;
  entry_count(entry: Pointer): number;
  entry_value(entry: Pointer): Pointer;
  entry_number(entry: Pointer, index: number): number;
  gguf_tensor_count(gguf: Pointer): number;
  gguf_tensor(gguf: Pointer, index: number): Pointer;
  tensor_name(tensor: Pointer): Pointer;
  tensor_name_length(tensor: Pointer): number;
  tensor_type(tensor: Pointer): number;
  tensor_dimensions(tensor: Pointer): number;
  tensor_size(tensor: Pointer, dimension: number): number;
  tensor_file(tensor: Pointer): number;
  tensor_offset(tensor: Pointer): bigint;
  tensor_bytes(tensor: Pointer): bigint;
}

interface TokenizerExports {
  tokenizer_tokenize(
    core: Pointer,
    tokenizer: Pointer,
    text: Pointer,
    length: number,
    flags: number,
    target: Pointer,
    capacity: number,
  ): Status;
  tokenizer_detokenize(
    core: Pointer,
    tokenizer: Pointer,
    tokens: Pointer,
    count: number,
    flags: number,
    target: Pointer,
    capacity: number,
  ): Status;
  tokenizer_token_bytes(
    tokenizer: Pointer,
    token: number,
    showSpecial: number,
    target: Pointer,
    capacity: number,
  ): number;
  tokenizer_count(tokenizer: Pointer): number;
  /** 1 BPE, 2 SPM. */
  tokenizer_model(tokenizer: Pointer): number;
  tokenizer_special(tokenizer: Pointer, which: number): number;
  tokenizer_options(tokenizer: Pointer): number;
  tokenizer_ends_generation(tokenizer: Pointer, token: number): number;
  tokenizer_text(tokenizer: Pointer, token: number): Pointer;
  tokenizer_text_length(tokenizer: Pointer, token: number): number;
}

interface ChatExports {
  /** 0: the model's template is none of the core's. */
  chat_kind(core: Pointer, model: Pointer): Status;
  /** The file's own template, 0 when it has none. */
  chat_template(core: Pointer, model: Pointer): Pointer;
  chat_template_length(core: Pointer, model: Pointer): number;
  chat_format(
    core: Pointer,
    model: Pointer,
    messages: Pointer,
    bytes: number,
    target: Pointer,
    capacity: number,
  ): Status;
  chat_tokenize(
    core: Pointer,
    model: Pointer,
    text: Pointer,
    length: number,
    target: Pointer,
    capacity: number,
  ): Status;
}

interface QuantExports {
  kernel_dequantize(type: number, source: Pointer, target: Pointer, count: number): Status;
  kernel_quantize(type: number, source: Pointer, target: Pointer, count: number): Status;
  kernel_row_bytes(type: number, count: number): number;
  kernel_packed_bytes(type: number, rows: number, columns: number): number;
  kernel_pack(type: number, source: Pointer, rows: number, columns: number, target: Pointer): Status;
  kernel_activation_bytes(columns: number): number;
  kernel_quantize_activations(x: Pointer, columns: number, target: Pointer): Status;
  kernel_operand_form(type: number, wanted: number): number;
  kernel_operand_bytes(form: number, columns: number): number;
  kernel_quantize_operand(form: number, x: Pointer, columns: number, target: Pointer): Status;
  kernel_matmul_scratch_bytes(type: number, tokens: number): number;
  kernel_matmul(
    type: number,
    packed: Pointer,
    rows: number,
    columns: number,
    rowBegin: number,
    rowEnd: number,
    x: Pointer,
    xStride: number,
    tokens: number,
    target: Pointer,
    targetStride: number,
    scratch: Pointer,
  ): Status;
}

interface FloatExports {
  kernel_rms_norm(x: Pointer, weight: Pointer, rows: number, n: number, epsilon: number, target: Pointer): void;
  kernel_rms_norm_outside(x: Pointer, weight: Pointer, rows: number, n: number, epsilon: number, target: Pointer): void;
  kernel_layer_norm(
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    rows: number,
    n: number,
    epsilon: number,
    target: Pointer,
  ): void;
  kernel_rope(
    x: Pointer,
    tokens: number,
    heads: number,
    headSize: number,
    pairs: number,
    positions: Pointer,
    base: number,
    freqs: Pointer,
    halves: number,
    scratch: Pointer,
  ): void;
  kernel_softmax(x: Pointer, rows: number, n: number): void;
  kernel_log_sum_exp(x: Pointer, n: number): number;
  kernel_attention_scratch_bytes(
    count: number,
    heads: number,
    kvHeads: number,
    keySize: number,
    valueSize: number,
  ): number;
  kernel_attention(
    q: Pointer,
    k: Pointer,
    v: Pointer,
    positions: Pointer,
    tokens: number,
    count: number,
    heads: number,
    kvHeads: number,
    keySize: number,
    valueSize: number,
    factor: number,
    scratch: Pointer,
    target: Pointer,
  ): void;
  kernel_mla_scratch_bytes(
    tokens: number,
    count: number,
    heads: number,
    nope: number,
    rope: number,
    value: number,
    rank: number,
    form: number,
  ): number;
  kernel_mla(
    q: Pointer,
    latent: Pointer,
    ropeKeys: Pointer,
    w: Pointer,
    positions: Pointer,
    tokens: number,
    count: number,
    heads: number,
    nope: number,
    rope: number,
    value: number,
    rank: number,
    form: number,
    scratch: Pointer,
    target: Pointer,
  ): void;
}

/** The Memory Layer's kernels. */
interface MemoryExports {
  kernel_hash_row(x: Pointer, chunks: number, bits: number, zeroIsOne: number, codes: Pointer): Status;
  /** Rule 0 score, 1 prob. */
  kernel_chunk_weights(
    x: Pointer,
    chunks: number,
    bits: number,
    rule: number,
    temperature: number,
    weights: Pointer,
  ): Status;
  /** Types: 0 F32, 1 F16, 24 Q8, 280 Q4. */
  kernel_table_row_bytes(type: number, columns: number): number;
  kernel_find_rows(
    table: Pointer,
    rowBytes: number,
    bits: number,
    codes: Pointer,
    chunks: number,
    rows: Pointer,
  ): Status;
  /** Only the time of the two calls below depends on it. */
  kernel_read_ahead(
    type: number,
    rows: Pointer,
    columns: number,
    scales: Pointer,
    bits: number,
    codes: Pointer,
    chunks: number,
  ): Status;
  kernel_scale_weights(
    scales: Pointer,
    bits: number,
    codes: Pointer,
    chunks: number,
    weights: Pointer,
    target: Pointer,
  ): Status;
  kernel_gather_rows(
    type: number,
    rows: Pointer,
    weights: Pointer,
    count: number,
    columns: number,
    bias: Pointer,
    target: Pointer,
  ): Status;
}
