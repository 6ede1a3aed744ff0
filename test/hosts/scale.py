"""Batches over many processes: every row is there, with the bits of one process, also when a worker is killed.

    python scale.py MODEL [RAY_ROWS] [DASK_ROWS]

Ray Data: two actors, one of which is killed in the middle; Dask: two processes. Prints rows a second of each.
"""

import hashlib
import os
import signal
import sys
import tempfile
import time

import numpy
from limpet import Embed, Generate, Model

WORDS = "the sea keeps what it takes and gives back stones to the shore where limpets hold on through every tide".split()


def text(row):
    """A text of 5 to 24 words, of its own for each row."""
    return " ".join(WORDS[(row * 7 + word * (1 + row % 5)) % len(WORDS)] for word in range(5 + row % 20)) + f" {row}"


def digest(vectors):
    """One hash of all vectors, in the order of the rows."""
    return hashlib.sha256(b"".join(numpy.asarray(vector, dtype=numpy.float32).tobytes() for vector in vectors)).hexdigest()


class Mortal(Embed):
    """Embeds, and is killed by the system after its third batch: once, whichever of the actors comes to it first."""

    def __init__(self, model, marker):
        super().__init__(model)
        self._marker, self._batches = marker, 0

    def __call__(self, batch):
        self._batches += 1
        if self._batches == 3:
            try:
                os.close(os.open(self._marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return {**super().__call__(batch), "pid": numpy.full(len(batch["id"]), os.getpid())}


def one_process(model, rows):
    """What one process makes of the rows: the vectors, and rows a second without loading."""
    embed = Embed(model)
    embed({"text": ["warm"]})
    begin = time.perf_counter()
    vectors = embed({"text": [text(row) for row in rows]})["embedding"]
    return digest(vectors), len(rows) / (time.perf_counter() - begin)


def with_ray(model, rows, kills):
    """The same over two actors of Ray Data."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    with tempfile.TemporaryDirectory() as folder:
        marker = os.path.join(folder, "killed")
        if not kills:
            open(marker, "w").close()
        data = ray.data.from_items([{"id": row, "text": text(row)} for row in rows], override_num_blocks=20)
        begin = time.perf_counter()
        made = data.map_batches(
            Mortal,
            fn_constructor_kwargs={"model": model, "marker": marker},
            compute=ray.data.ActorPoolStrategy(size=2),
            num_cpus=1,
            batch_size=25,
        ).take_all()
        seconds = time.perf_counter() - begin
        assert not kills or os.path.exists(marker), "nobody was killed"
    ray.shutdown()
    made.sort(key=lambda row: row["id"])
    assert [row["id"] for row in made] == list(rows), "rows are missing, or there twice"
    pids = {row["pid"] for row in made}
    return digest(row["embedding"] for row in made), len(rows) / seconds, len(pids)


def with_dask(model, rows):
    """Texts and vectors over two processes of Dask."""
    import dask.dataframe as dd
    import pandas
    from dask.distributed import Client, LocalCluster

    frame = pandas.DataFrame({"id": list(rows), "text": [text(row) for row in rows]})
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        data = dd.from_pandas(frame, npartitions=8)
        meta = {**frame.dtypes.to_dict(), "embedding": object}
        begin = time.perf_counter()
        made = data.map_partitions(Embed(model), meta=meta).compute()
        seconds = time.perf_counter() - begin
        if Model(model).info.makes == "text":
            more = {**frame.dtypes.to_dict(), "more": object}
            generate = Generate(model, column="text", output="more", max_tokens=8)
            texts = data.head(16, npartitions=-1)
            answers = dd.from_pandas(texts, npartitions=2).map_partitions(generate, meta=more).compute()
            assert list(answers["more"]) == list(generate({"text": list(texts["text"])})["more"])
    assert list(made["id"]) == list(rows)
    return digest(made["embedding"]), len(rows) / seconds


def main():
    model = sys.argv[1]
    ray_rows, dask_rows = (int(count) for count in sys.argv[2:] + ["2000", "200"][len(sys.argv) - 2 :])
    want, alone = one_process(model, range(ray_rows))
    print(f"one process: {ray_rows} rows, {alone:.0f} rows a second", flush=True)
    got, rate, pids = with_ray(model, range(ray_rows), kills=True)
    assert got == want, "Ray's vectors have other bits"
    assert pids >= 2, "one actor did all"
    print(f"Ray Data, two actors, one killed: {ray_rows} rows from {pids} processes, the same bits, {rate:.0f} rows a second")
    got, rate, pids = with_ray(model, range(ray_rows), kills=False)
    assert got == want, "Ray's vectors have other bits"
    print(f"Ray Data, two actors: {ray_rows} rows from {pids} processes, the same bits, {rate:.0f} rows a second", flush=True)
    want, _ = one_process(model, range(dask_rows))
    got, rate = with_dask(model, range(dask_rows))
    assert got == want, "Dask's vectors have other bits"
    print(f"Dask, two processes: {dask_rows} rows, the same bits, {rate:.0f} rows a second")


if __name__ == "__main__":
    main()
