"""A model: it generates, chats, makes vectors and tokenizes."""

from __future__ import annotations

import array
import codecs
import os
import struct
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union, cast

from .core import WASM, Core, LimpetError
from .numbers import (
    BATCH_LIMIT,
    ChatKind,
    Finish,
    KvType,
    Pooling,
    Role,
    SamplerOption,
    Status,
    TokenizeFlag,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack
    from wasmtime import Engine


class Message(TypedDict):
    """What somebody says in a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


Prompt = Union[str, Sequence[int], Sequence[Message]]
"""A text, its token ids, or a conversation that the model is to go on with."""

FinishReason = Literal["stop", "length", "stop_string", "context"]


class Options(TypedDict, total=False):
    """How a text goes on. The defaults are those of every host: the likeliest token, 256 of them at most."""

    max_tokens: int
    stop: str | Sequence[str]
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repeat_penalty: float
    repeat_window: int
    presence_penalty: float
    frequency_penalty: float
    dry_multiplier: float
    dry_base: float
    dry_allowed_length: int
    dry_window: int
    top_n_sigma: float
    typical_p: float
    xtc_probability: float
    xtc_threshold: float
    dynamic_range: float
    dynamic_exponent: float
    mirostat: float
    mirostat_rate: float
    logit_bias: Mapping[int, float]
    seed: int
    reasoning_budget: int
    special: bool
    table: bytes


@dataclass(frozen=True)
class Result:
    """What an answer came to: its text, its tokens without the end token, and why it ended."""

    text: str
    tokens: list[int]
    finish_reason: FinishReason


@dataclass(frozen=True)
class Info:
    """What a model is."""

    context_length: int
    vocabulary: int
    hidden: int
    layers: int
    makes: Literal["text", "vectors", "scores"]
    """Text, and then vectors too; vectors of texts alone; or scores of documents, which this package does not ask for."""
    dimensions: int
    """Values of a text's vector."""
    pooling: str


_FINISH: dict[int, FinishReason] = {
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.STOP_STRING: "stop_string",
    Finish.CONTEXT: "context",
}
_KV = {"f16": KvType.F16, "f32": KvType.F32, "q8_0": KvType.Q8_0}
_POOLINGS = {"none": Pooling.NONE, "mean": Pooling.MEAN, "cls": Pooling.CLS, "last": Pooling.LAST}
_ROLES = {"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
_CONFIGURED = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0}
_SAMPLER = {
    "repeat_window": SamplerOption.PENALTY_WINDOW,
    **{name.lower(): number for name, number in vars(SamplerOption).items() if isinstance(number, int)},
}
_OWN = ("max_tokens", "stop", "logit_bias", "seed", "reasoning_budget", "special", "table")
_DRY_BREAKERS = '\n:"*'
_DEFAULT_TOKENS = 256
_UNLIMITED = 2**32 - 1
_PASS_TOKENS = 256
_PASS_TEXTS = 256
_KEPT_TEXTS = 32


class Model:
    """A GGUF file under wasmtime. It is of one thread at a time; processes and actors each load their own.

    ``context`` is the most tokens that one answer may see, its prompt included (default: what the model was trained
    for); ``kv`` the type of cached keys and values; ``wasm`` another build of the core.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        context: int | None = None,
        kv: Literal["f16", "f32", "q8_0"] = "f16",
        wasm: str | os.PathLike[str] = WASM,
        engine: Engine | None = None,
    ):
        if kv not in _KV:
            raise LimpetError("BAD_ARGUMENT", f"kv is one of {', '.join(_KV)}, not {kv!r}")
        self.path = os.fspath(path)
        self._core = Core(wasm, engine)
        try:
            self._model = self._core.load(self.path)
        except OSError as error:
            raise LimpetError("HOST", f"{self.path} cannot be read: {error.strerror}") from error
        self._tokenizer: int = self._call("model_tokenizer", self._model)
        self._kv = _KV[kv]
        trained: int = self._call("model_context_length", self._model)
        self._context = trained if context is None else _whole("context", context, 1, 2**31 - 1)
        pooling = self._call("model_pooling", self._model)
        self.info = Info(
            context_length=trained,
            vocabulary=self._call("model_vocabulary", self._model),
            hidden=self._call("model_hidden", self._model),
            layers=self._call("model_layers", self._model),
            makes=_makes(pooling == Pooling.RANK, self._call("model_has_logits", self._model) != 0),
            dimensions=self._call("model_vector_width", self._model),
            pooling=next((name for name, number in _POOLINGS.items() if number == pooling), "rank"),
        )

    def generate(self, prompt: str | Sequence[int], **options: Unpack[Options]) -> Generation:
        """Continues a text, or token ids: iterate over the pieces, or take all of it with ``.text()``."""
        return Generation(self, self._tokens(prompt, options), options)

    def chat(self, messages: Sequence[Message], **options: Unpack[Options]) -> Generation:
        """Answers a conversation through the model's chat template."""
        return Generation(self, self.chat_tokens(messages), options)

    def generate_all(
        self, prompts: Iterable[Prompt], *, together: int = 8, **options: Unpack[Options]
    ) -> list[Result]:
        """The answers to many prompts, up to ``together`` of which share each pass; each is what it would be alone."""
        together = _whole("together", together, 1, 64)
        all_tokens = [self._tokens(prompt, options) for prompt in prompts]
        results: list[Result | None] = [None] * len(all_tokens)
        if not all_tokens:
            return []
        waiting = iter(enumerate(all_tokens))
        with _Group(self, all_tokens, together, options) as group:
            running: dict[_Answer, int] = {}
            while True:
                while group.has_room and (following := next(waiting, None)) is not None:
                    index, tokens = following
                    running[group.begin(tokens)] = index
                if not running:
                    return [result for result in results if result is not None]
                for answer in group.step():
                    if answer.result is not None:
                        results[running.pop(answer)] = answer.result

    def embed(
        self,
        texts: Sequence[str | Sequence[int]],
        *,
        pooling: Literal["mean", "cls", "last"] | None = None,
        normalize: bool = True,
        dimensions: int | None = None,
        truncate: bool = False,
    ) -> list[array.array[float]]:
        """A vector (f32) of each text. Texts of any lengths share passes; none of them changes the vector of another."""
        if isinstance(texts, str):
            raise LimpetError("BAD_ARGUMENT", "texts is a list of texts, [text] for one")
        if pooling is not None and pooling not in ("mean", "cls", "last"):
            raise LimpetError("BAD_ARGUMENT", f"pooling is mean, cls or last, not {pooling!r}")
        width = self.info.dimensions
        size = width if dimensions is None else _whole("dimensions", dimensions, 1, width)
        kind = self._call("model_pooling", self._model) if pooling is None else _POOLINGS[pooling]
        kind = {Pooling.RANK: Pooling.MEAN}.get(kind, kind)
        if kind == Pooling.NONE:
            raise LimpetError("BAD_ARGUMENT", "the file names no pooling: say which, mean, cls or last")
        ids = [self._fitting(self._tokens(text, {}), index, truncate) for index, text in enumerate(texts)]
        vectors = [array.array("f", bytes(4 * size)) for _ in ids]
        order = sorted((index for index, one in enumerate(ids) if one), key=lambda index: len(ids[index]))
        if not order:
            return vectors
        most = _PASS_TEXTS if self._call("model_is_within", self._model) else _KEPT_TEXTS
        room = max(len(ids[order[-1]]), min(_PASS_TOKENS, sum(len(ids[index]) for index in order)))
        count = min(len(order), most)
        create = ("context_create_for_texts", self._core.pointer, self._model, room, room, count, self._kv, kind)
        context = self._core.handle(self._call(*create))
        try:
            for texts_of_pass in _passes(order, ids, room, most):
                self._embed_pass(context, [ids[index] for index in texts_of_pass])
                with self._core.scoped() as put:
                    target = put(4 * size)
                    for row, index in enumerate(texts_of_pass):
                        vector = ("context_put_vector", context, row, size, int(normalize), target)
                        self._core.check(self._call(*vector))
                        vectors[index] = array.array("f", self._core.read(target, 4 * size))
        finally:
            self._call("context_release", context)
        return vectors

    def tokenize(self, text: str, *, bos: bool = False, special: bool = False) -> list[int]:
        """Token ids of a text: bare, unless asked otherwise."""
        data = text.encode()
        flags = (TokenizeFlag.ADD_SPECIAL if bos else 0) | (TokenizeFlag.PARSE_SPECIAL if special else 0)
        with self._core.scoped() as put:
            source = put(data)
            return self._grown(
                put,
                len(data) + 8,
                lambda target, capacity: self._call(
                    *("tokenizer_tokenize", self._core.pointer, self._tokenizer),
                    *(source, len(data), flags, target, capacity),
                ),
            )

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Text of token ids."""
        with self._core.scoped() as put:
            ids = put(_words(tokens))
            arguments = (self._core.pointer, self._tokenizer, ids, len(tokens), 0)
            length = self._core.check(self._call("tokenizer_detokenize", *arguments, 0, 0))
            target = put(max(length, 1))
            self._core.check(self._call("tokenizer_detokenize", *arguments, target, length))
            return self._core.read(target, length).decode("utf-8", "replace")

    def chat_tokens(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of a conversation as the model's chat template writes it, up to where the assistant speaks."""
        core = self._core
        if core.check(self._call("chat_kind", core.pointer, self._model)) == ChatKind.NONE:
            words = "the model's chat template is none that limpet's core knows, or there is none: use generate()"
            raise LimpetError("UNSUPPORTED", words)
        packed = bytearray()
        for message in messages:
            role, content = message.get("role"), message.get("content")
            if role not in _ROLES or not isinstance(content, str):
                words = "a message has a role (system, user or assistant) and a content of text"
                raise LimpetError("BAD_ARGUMENT", words)
            said = content.encode()
            packed += struct.pack("<II", _ROLES[role], len(said)) + said
        with core.scoped() as put:
            source = put(bytes(packed))
            return self._grown(
                put,
                len(packed) + 1024,
                lambda target, capacity: self._call(
                    "chat_tokens", core.pointer, self._model, source, len(packed), target, capacity
                ),
            )

    def _tokens(self, prompt: Prompt, options: Options | Mapping[str, Any]) -> list[int]:
        if isinstance(prompt, str):
            return self.tokenize(prompt, bos=True, special=bool(options.get("special", False)))
        if len(prompt) > 0 and isinstance(prompt[0], Mapping):
            return self.chat_tokens(cast("Sequence[Message]", prompt))
        return [_whole("a token", token, 0, self.info.vocabulary - 1) for token in prompt]

    def _fitting(self, ids: list[int], index: int, truncate: bool) -> list[int]:
        longest = min(self.info.context_length, BATCH_LIMIT)
        if len(ids) <= longest:
            return ids
        if not truncate:
            words = f"the text {index} has {len(ids)} tokens, and the model takes {longest}"
            raise LimpetError("CONTEXT_FULL", f"{words}: give parts of it, or cut it with truncate=True")
        # What ends a text ends what is left of it.
        ends = (self._call("tokenizer_special", self._tokenizer, 1), self._call("tokenizer_special", self._tokenizer, 3))
        return [*ids[: longest - 1], ids[-1] if ids[-1] in ends else ids[longest - 1]]

    def _embed_pass(self, context: int, texts: list[list[int]]) -> None:
        core = self._core
        count = sum(len(text) for text in texts)
        pooling = self._call("context_pooling", context)
        self._call("context_reset", context)
        ids, sequences, positions, wanted = array.array("I"), array.array("I"), array.array("i"), bytearray()
        for sequence, text in enumerate(texts):
            ids.extend(text)
            sequences.extend([sequence] * len(text))
            positions.extend(range(len(text)))
            one = {Pooling.CLS: 0, Pooling.LAST: len(text) - 1}.get(pooling)
            wanted += bytes(1 if one is None or place == one else 0 for place in range(len(text)))
        for name, data in (("ids", ids), ("sequences", sequences), ("positions", positions)):
            core.write(self._call(f"context_{name}", context), data.tobytes())
        core.write(self._call("context_wanted", context), bytes(wanted))
        core.check(self._call("context_begin", context, count, 0, self.info.layers))
        while core.check(self._call("context_step", context)) != Status.DONE:
            pass

    def _grown(self, put: Any, first: int, write: Any) -> list[int]:
        """The tokens that a call writes, with as much room as it says they take."""
        capacity = first
        while True:
            target = put(4 * capacity)
            count = self._core.check(write(target, capacity))
            if count <= capacity:
                return list(struct.unpack(f"<{count}I", self._core.read(target, 4 * count)))
            capacity = count

    def _call(self, name: str, *arguments: Any) -> Any:
        return self._core.call(name, *arguments)


class Generation(Iterator[str]):
    """Pieces of an answer as they come. Leaving the loop ends it; ``text()`` runs it to its end."""

    def __init__(self, model: Model, tokens: list[int], options: Options):
        # The generator knows nothing of this object: who drops it ends it at once.
        self._results: list[Result] = []
        self._pieces = _run(model, tokens, options, self._results)

    @property
    def result(self) -> Result | None:
        """What came out; None until the end is reached."""
        return self._results[0] if self._results else None

    def __iter__(self) -> Generation:
        return self

    def __next__(self) -> str:
        return next(self._pieces)

    def text(self) -> str:
        """The whole text, with what was iterated before."""
        for _ in self._pieces:
            pass
        if self.result is None:
            raise LimpetError("WRONG_STATE", "this generation was ended before its end")
        return self.result.text

    def close(self) -> None:
        """Ends the generation, and gives its memory back."""
        self._pieces.close()


def _run(
    model: Model, tokens: list[int], options: Options, results: list[Result]
) -> Generator[str, None, None]:
    with _Group(model, [tokens], 1, options) as group:
        answer = group.begin(tokens)
        while answer.result is None:
            group.step()
            if answer.piece:
                yield answer.piece
        results.append(answer.result)


class _Answer:
    """One answer that is being made."""

    def __init__(self, session: int, sequence: int):
        self.session = session
        self.sequence = sequence
        self.tokens: list[int] = []
        self.texts: list[str] = []
        self.piece = ""
        self.result: Result | None = None
        # What a limit cuts within a character is not shown.
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")


class _Group:
    """Answers whose tokens are computed in shared passes of one context."""

    def __init__(self, model: Model, prompts: Sequence[Sequence[int]], sequences: int, options: Options):
        self._model, self._core = model, model._core
        for name in options:
            if name not in _CONFIGURED and name not in _SAMPLER and name not in _OWN:
                raise LimpetError("BAD_ARGUMENT", f"there is no option {name}")
        self._options = options
        self._most = _whole("max_tokens", options.get("max_tokens", _DEFAULT_TOKENS), 0, 2**31 - 1)
        longest = max(len(prompt) for prompt in prompts)
        has_encoder = model._call("model_has_encoder", model._model) != 0
        rows = max(min(longest + self._most, model._context), 1)
        if longest > model._context:
            words = f"the context holds {model._context} tokens, and the prompt has {longest}"
            raise LimpetError("CONTEXT_FULL", f"{words}; make it longer: Model(path, context=N)")
        self._has_encoder = has_encoder
        sequences = max(1, min(sequences, len(prompts)))
        batch = min(model._call("model_batch", model._model), rows * sequences)
        shape = (rows * sequences, max(batch, sequences), sequences, sequences, model._kv)
        self._context = self._core.handle(model._call("context_create", self._core.pointer, model._model, *shape))
        self._rows = rows
        self._list = self._core.handle(model._call("core_allocate", self._core.pointer, 4 * sequences))
        self._free = list(range(sequences))[::-1]
        self._running: list[_Answer] = []

    def __enter__(self) -> _Group:
        return self

    def __exit__(self, *_: object) -> None:
        for answer in self._running:
            self._model._call("session_release", answer.session)
        self._model._call("core_release", self._core.pointer, self._list)
        self._model._call("context_release", self._context)

    @property
    def has_room(self) -> bool:
        """Whether one more answer can be begun."""
        return len(self._free) > 0

    def begin(self, tokens: Sequence[int]) -> _Answer:
        """Begins the answer to a prompt."""
        call, core = self._model._call, self._core
        sequence = self._free.pop()
        session = core.handle(call("session_create", core.pointer, self._context, sequence))
        answer = _Answer(session, sequence)
        self._running.append(answer)
        core.check(call("session_limit", session, self._rows))
        self._configure(session)
        with core.scoped() as put:
            take = "session_set_source" if self._has_encoder else "session_append_tokens"
            core.check(call(take, session, put(_words(tokens)), len(tokens)))
        core.check(call("session_begin", session, self._most, 0, 0))
        return answer

    def step(self) -> list[_Answer]:
        """Steps all answers until some have a token more, or have come to their end: those."""
        call, core = self._model._call, self._core
        handles = struct.pack(f"<{len(self._running)}I", *(one.session & 0xFFFFFFFF for one in self._running))
        core.write(self._list, handles)
        while core.check(call("session_step_all", core.pointer, self._list, len(self._running))) != Status.TOKEN:
            pass
        moved = [answer for answer in self._running if self._take(answer)]
        self._running = [answer for answer in self._running if answer.result is None]
        return moved

    def _take(self, answer: _Answer) -> bool:
        call, core, session = self._model._call, self._core, answer.session
        status = core.check(call("session_status", session))
        answer.piece = ""
        if status == Status.MORE:
            return False
        finish = call("session_finish", session)
        if status == Status.TOKEN:
            text = core.read(call("session_text", session), call("session_text_length", session))
            answer.piece = answer.decoder.decode(text)
            answer.texts.append(answer.piece)
            if finish != Finish.STOP:
                answer.tokens.append(call("session_token", session))
        if status == Status.DONE:
            answer.result = Result("".join(answer.texts), answer.tokens, _FINISH[finish])
            call("session_release", session)
            self._free.append(answer.sequence)
        return True

    def _configure(self, session: int) -> None:
        call, core, options = self._model._call, self._core, dict(self._options)
        five = {name: _real(name, options.get(name, default)) for name, default in _CONFIGURED.items()}
        five["top_k"] = _whole("top_k", options.get("top_k", 0), 0, 2**31 - 1)
        core.check(call("session_configure", session, *five.values()))
        for name, value in options.items():
            if name in _SAMPLER:
                core.check(call("session_set_option", session, _SAMPLER[name], _real(name, value)))
        with core.scoped() as put:
            if options.get("dry_multiplier"):
                for breaker in _DRY_BREAKERS:
                    core.check(call("session_add_breaker", session, put(breaker.encode()), len(breaker.encode())))
            for token, bias in (self._options.get("logit_bias") or {}).items():
                token = _whole("a token of logit_bias", token, 0, 2**31 - 1)
                core.check(call("session_add_bias", session, token, _real("a bias", bias)))
            stop = self._options.get("stop", ())
            for text in [stop] if isinstance(stop, str) else stop:
                if not isinstance(text, str):
                    raise LimpetError("BAD_ARGUMENT", f"stop is text, or a list of texts, not {text!r}")
                core.check(call("session_add_stop", session, put(text.encode()), len(text.encode())))
            table = self._options.get("table", b"")
            if not isinstance(table, (bytes, bytearray)):
                raise LimpetError("BAD_ARGUMENT", "table is what `limpet grammar` writes, as bytes")
            if table:
                core.check(call("session_set_grammar", session, put(table), len(table)))
        budget = _whole("reasoning_budget", self._options.get("reasoning_budget", _UNLIMITED), 0, _UNLIMITED)
        core.check(call("session_limit_reasoning", session, _signed(budget, 32)))
        call("session_seed", session, _signed(_whole("seed", self._options.get("seed", 0), 0, 2**64 - 1), 64))


def _makes(ranks: bool, writes: bool) -> Literal["text", "vectors", "scores"]:
    if ranks:
        return "scores"
    return "text" if writes else "vectors"


def _passes(order: list[int], ids: list[list[int]], room: int, most: int) -> Iterator[list[int]]:
    """The texts of each pass: as many as it has room for, the shortest first."""
    taken: list[int] = []
    tokens = 0
    for index in order:
        if taken and (tokens + len(ids[index]) > room or len(taken) == most):
            yield taken
            taken, tokens = [], 0
        taken.append(index)
        tokens += len(ids[index])
    yield taken


def _words(values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def _signed(value: int, bits: int) -> int:
    return value - 2**bits if value >= 2 ** (bits - 1) else value


def _whole(name: str, value: Any, least: int, most: int) -> int:
    # numpy's whole numbers are some, too.
    if hasattr(value, "__index__") and not isinstance(value, bool) and least <= int(value) <= most:
        return int(value)
    raise LimpetError("BAD_ARGUMENT", f"{name} is a whole number from {least} to {most}, not {value!r}")


def _real(name: str, value: Any) -> float:
    # numpy's numbers are some, too.
    if hasattr(value, "__float__") and not isinstance(value, bool):
        return float(value)
    raise LimpetError("BAD_ARGUMENT", f"{name} is a number, not {value!r}")
