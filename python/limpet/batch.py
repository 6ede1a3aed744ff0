"""Callable classes for engines that work through data sets: the model is read once an actor, a batch at a time goes in.

Ray Data:

    actors = ray.data.ActorPoolStrategy(size=2)
    ds.map_batches(Embed, fn_constructor_kwargs={"model": "model.gguf"}, compute=actors, batch_size=64)

Dask:

    frame.map_partitions(Embed("model.gguf"), meta={**frame.dtypes, "embedding": object})

What comes out of a row does not depend on its neighbours, on the batch, or on the machine: the bits are the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from .model import Message, Model, Options, Prompt

if TYPE_CHECKING:
    from typing_extensions import Unpack

_models: dict[tuple[str, int | None], Model] = {}


class _Mapped:
    """A class over a model that is loaded where it is called, once a process, and not sent with the object."""

    def __init__(self, model: str | os.PathLike[str], context: int | None):
        self._key = (os.fspath(model), context)

    @property
    def _model(self) -> Model:
        model = _models.get(self._key)
        if model is None:
            model = _models[self._key] = Model(self._key[0], context=self._key[1])
        return model


class Generate(_Mapped):
    """Adds an answer to each row: the column ``output`` to a batch with prompts (texts, or conversations) in ``column``.

    A batch is a dict of columns (Ray), or a pandas frame (Dask, Ray with ``batch_format="pandas"``). With ``chat`` a
    text is what a user says. ``together`` answers share each pass; other options are those of ``Model.generate``.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        column: str = "prompt",
        output: str = "text",
        chat: bool = False,
        together: int = 8,
        context: int | None = None,
        **options: Unpack[Options],
    ):
        super().__init__(model, context)
        self._column, self._output, self._chat, self._together = column, output, chat, together
        self._options = options

    def __call__(self, batch: Any) -> Any:
        """The batch with the new column."""
        prompts = [self._prompt(value) for value in batch[self._column]]
        results = self._model.generate_all(prompts, together=self._together, **self._options)
        return _with_column(batch, self._output, [result.text for result in results])

    def _prompt(self, value: Any) -> Prompt:
        if self._chat and isinstance(value, str):
            return [Message(role="user", content=value)]
        return value if isinstance(value, str) else list(value)


class Embed(_Mapped):
    """Adds a vector to each row: the column ``output`` to a batch with texts in ``column``. Batches as in `Generate`."""

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        column: str = "text",
        output: str = "embedding",
        pooling: Literal["mean", "cls", "last"] | None = None,
        normalize: bool = True,
        dimensions: int | None = None,
        truncate: bool = False,
    ):
        super().__init__(model, None)
        self._column, self._output = column, output
        self._options: dict[str, Any] = {
            "pooling": pooling,
            "normalize": normalize,
            "dimensions": dimensions,
            "truncate": truncate,
        }

    def __call__(self, batch: Any) -> Any:
        """The batch with the new column, of f32 arrays."""
        import numpy

        texts = [str(text) for text in batch[self._column]]
        vectors = [numpy.frombuffer(vector, dtype=numpy.float32) for vector in self._model.embed(texts, **self._options)]
        return _with_column(batch, self._output, vectors)


def _with_column(batch: Any, name: str, values: Sequence[Any]) -> Any:
    import numpy

    if hasattr(batch, "assign"):
        # A column of arrays is one of objects.
        column = numpy.empty(len(values), dtype=object)
        column[:] = values
        return batch.assign(**{name: column})
    if values and isinstance(values[0], numpy.ndarray):
        return {**batch, name: numpy.stack(values)}
    return {**batch, name: numpy.array(values, dtype=object)}
