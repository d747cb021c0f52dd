"""Prepared data on disk: instructions as Arrow, tokens as flat arrays that are mapped into memory, never loaded."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ecomgpt.tasks.instruction import Instruction
from ecomgpt.tasks.prompt import Prompt

SCHEMA = pa.schema(
    [
        ("id", pa.string()), ("task", pa.string()), ("source", pa.string()), ("group", pa.string()), ("split", pa.string()),
        ("language", pa.string()), ("before", pa.string()), ("input", pa.string()), ("after", pa.string()),
        ("target", pa.string()), ("candidates", pa.list_(pa.string())), ("form", pa.string()), ("wording", pa.int32()),
    ]
)
ROWS = 2000
"""Instructions a record batch."""


def write_instructions(path: Path, instructions: Iterable[Instruction]) -> int:
    """Streams instructions into an Arrow file; returns how many."""
    total = 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
        batch: list[dict[str, Any]] = []
        for instruction in instructions:
            batch.append(_row(instruction))
            total += 1
            if len(batch) == ROWS:
                writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=SCHEMA))
                batch = []
        writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=SCHEMA))
    return total


def read_instructions(path: Path) -> Iterator[Instruction]:
    """Streams them back, in the same order."""
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            for row in reader.get_batch(number).to_pylist():
                yield _instruction(row)


def instructions_at(path: Path, rows: Sequence[int]) -> list[Instruction]:
    """Single instructions by their row, without reading the others."""
    found = []
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        for row in rows:
            (values,) = reader.get_batch(row // ROWS).slice(row % ROWS, 1).to_pylist()
            found.append(_instruction(values))
    return found


def _instruction(row: dict[str, Any]) -> Instruction:
    prompt = Prompt(row.pop("before"), row.pop("input"), row.pop("after"))
    return Instruction(prompt=prompt, candidates=tuple(row.pop("candidates")), **row)


def _row(instruction: Instruction) -> dict[str, Any]:
    row = {name: getattr(instruction, name) for name in Instruction.__slots__ if name != "prompt"}
    prompt = instruction.prompt
    return {**row, "candidates": list(instruction.candidates), "before": prompt.before, "input": prompt.input, "after": prompt.after}


class TokenWriter:
    """Appends tokenised examples to flat files; use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tokens = (folder / "tokens.bin").open("wb")
        self._lengths: list[int] = []
        self._targets: list[int] = []
        self._tasks: list[int] = []
        self._rows: list[int] = []

    def add(self, ids: list[int], prompt_tokens: int, task: int, row: int) -> None:
        """One example: its ids, how many of them are prompt, its task's number, and its row among the instructions."""
        self._tokens.write(np.asarray(ids, dtype=np.uint32).tobytes())
        self._lengths.append(len(ids))
        self._targets.append(len(ids) - prompt_tokens)
        self._tasks.append(task)
        self._rows.append(row)

    def __enter__(self) -> "TokenWriter":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._tokens.close()
        arrays = {"lengths": self._lengths, "targets": self._targets, "tasks": self._tasks, "rows": self._rows}
        for name, values in arrays.items():
            np.save(self.folder / f"{name}.npy", np.asarray(values, dtype=np.int32))


class Examples:
    """Tokenised examples, mapped from disk.

    Attributes:
        lengths: Tokens of each example, shape (examples,), int32.
        targets: How many of them, at the end, are answer and end of sequence, shape (examples,), int32.
        tasks: Number of each example's task, shape (examples,), int32.
        rows: Each example's row among the instructions, shape (examples,), int32.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lengths, self.targets, self.tasks, self.rows = (
            np.load(folder / f"{name}.npy") for name in ("lengths", "targets", "tasks", "rows")
        )
        self._offsets = np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])
        size = int(self._offsets[-1])
        self._tokens = np.memmap(folder / "tokens.bin", dtype=np.uint32, mode="r", shape=(size,)) if size else np.empty(0, np.uint32)

    def __len__(self) -> int:
        return len(self.lengths)

    def ids(self, index: int) -> np.ndarray:
        """Token ids of one example, shape (length,), uint32."""
        return self._tokens[self._offsets[index] : self._offsets[index + 1]]


