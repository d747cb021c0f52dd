"""Prepared data on disk: instructions as Arrow, tokens as flat arrays that are mapped into memory, never loaded.

The Arrow files are in the stream format that the `datasets` library maps:
``datasets.Dataset.from_file("train.arrow")``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ecomgpt.tasks.instruction import Instruction
from ecomgpt.tasks.prompt import Prompt

_TEXTS = ("id", "task", "source", "group", "split", "language", "before", "input", "after", "target")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in _TEXTS]
    + [("candidates", pa.list_(pa.string())), ("form", pa.string()), ("wording", pa.int32())]
)
ROWS = 2000
"""Instructions per record batch."""


class InstructionWriter:
    """Appends to an Arrow file, in record batches of `ROWS` rows; use as a context manager."""

    def __init__(self, path: Path) -> None:
        self._file = pa.OSFile(str(path), "wb")
        self._stream = pa.ipc.new_stream(self._file, SCHEMA)
        self._batches: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Appends rows; small batches are put together."""
        self._batches.append(batch)
        if sum(len(one) for one in self._batches) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._batches:
            self._stream.write_table(pa.Table.from_batches(self._batches).combine_chunks())
        self._batches = []

    def __enter__(self) -> "InstructionWriter":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._flush()
        self._stream.close()
        self._file.close()


def write_instructions(path: Path, instructions: Iterable[Instruction]) -> None:
    """Streams instructions into an Arrow file."""
    stream = iter(instructions)
    with InstructionWriter(path) as writer:
        while rows := list(islice(stream, ROWS)):
            writer.add(_batch(rows))


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Streams record batches; they are read, not mapped, so that a large file never counts as this process's memory."""
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
        yield from stream


def instructions_at(path: Path, rows: Sequence[int]) -> list[Instruction]:
    """Single instructions by their row, without reading the others."""
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        return [_instruction(row) for row in stream.read_all().take(pa.array(rows, pa.int64())).to_pylist()]


def _instruction(row: dict[str, Any]) -> Instruction:
    prompt = Prompt(row.pop("before"), row.pop("input"), row.pop("after"))
    return Instruction(prompt=prompt, candidates=tuple(row.pop("candidates")), **row)


def _batch(rows: Sequence[Instruction]) -> pa.RecordBatch:
    """Columns straight from the objects: a dictionary per row would take twice the time."""
    columns = [
        pa.array([getattr(row.prompt if name in Prompt.__slots__ else row, name) for row in rows], kind)
        for name, kind in zip(SCHEMA.names, SCHEMA.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


FACTS = {
    "lengths": np.int32,
    "num_targets": np.int32,
    "tasks": np.int32,
    "rows": np.int32,
    "cut": np.int32,
    "chinese": np.bool_,
}
"""What is known of each tokenised example; see `Examples`."""


class TokenWriter:
    """Appends tokenised examples to flat files; use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tokens = (folder / "tokens.bin").open("wb")
        self._facts: dict[str, list[np.ndarray]] = {name: [] for name in FACTS}

    def add(self, ids: list[int], prompt_tokens: int, task: int, row: int) -> None:
        """One example: its ids, how many of them are prompt, its task's number, and its row among the instructions."""
        values = (len(ids), len(ids) - prompt_tokens, task, row, 0, False)
        self.add_many(np.asarray(ids), {name: np.array([value]) for name, value in zip(FACTS, values, strict=True)})

    def add_many(self, ids: np.ndarray, facts: Mapping[str, np.ndarray]) -> None:
        """Several examples: their ids one after the other, and an array for each of `FACTS`."""
        self._tokens.write(np.ascontiguousarray(ids, dtype=np.uint32).data)
        for name, kind in FACTS.items():
            self._facts[name].append(facts[name].astype(kind))

    def __enter__(self) -> "TokenWriter":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._tokens.close()
        for name, parts in self._facts.items():
            np.save(self.folder / f"{name}.npy", np.concatenate([np.empty(0, FACTS[name]), *parts]))


class Examples:
    """Tokenised examples, mapped from disk.

    Attributes:
        lengths: Tokens of each example, shape (examples,), int32.
        num_targets: How many of them, at the end, are answer and end of sequence, shape (examples,), int32.
        tasks: Number of each example's task, shape (examples,), int32.
        rows: Each example's row among the instructions, shape (examples,), int32.
        cut: Tokens of its input that were cut away, shape (examples,), int32.
        chinese: Whether its text is Chinese, shape (examples,), bool.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lengths, self.num_targets, self.tasks, self.rows, self.cut, self.chinese = (
            np.load(folder / f"{name}.npy") for name in FACTS
        )
        self._offsets = np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])
        size = int(self._offsets[-1])
        mapped = np.memmap(folder / "tokens.bin", dtype=np.uint32, mode="r", shape=(size,)) if size else None
        self._tokens = np.empty(0, np.uint32) if mapped is None else mapped

    def __len__(self) -> int:
        return len(self.lengths)

    def ids(self, index: int) -> np.ndarray:
        """Token ids of one example, shape (length,), uint32."""
        return self._tokens[self._offsets[index] : self._offsets[index + 1]]


def keep_only(folder: Path, kept: np.ndarray) -> None:
    """Writes a split's token files again with the examples marked in ``kept`` alone, shape (examples,), bool."""
    old, new = Examples(folder), folder / "kept"
    new.mkdir()
    with TokenWriter(new) as writer:
        for index in np.flatnonzero(kept).tolist():
            writer.add_many(old.ids(index), {name: getattr(old, name)[index : index + 1] for name in FACTS})
    for path in new.iterdir():
        path.replace(folder / path.name)
    new.rmdir()
