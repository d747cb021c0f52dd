"""One process's share of the texts: a block of records becomes a file of instructions, without what leaks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np

from ecomgpt.config.schema import DataConfig
from ecomgpt.data.choose import Chooser, PlannedTask, sort_keys, top_k_per_task
from ecomgpt.data.instructions import Block
from ecomgpt.data.leaks import Guard, Leaks
from ecomgpt.data.store import write_instructions
from ecomgpt.tasks.engine import TaskCounts, instructions
from ecomgpt.tasks.instruction import Instruction


@dataclass
class Part:
    """What a block became.

    Attributes:
        path: The file with its instructions.
        dataset: As in `Block`.
        split: As in `Block`.
        tasks: Number of each instruction's task, shape (instructions,), int32.
        keys: Sort key of each, shape (instructions,), uint64.
        counts: What the block's records gave, by full task name.
        leaks: What was taken out.
    """

    path: Path
    dataset: str
    split: str
    tasks: np.ndarray
    keys: np.ndarray
    counts: dict[str, TaskCounts]
    leaks: Leaks

    @property
    def offered(self) -> Counter[str]:
        """Instructions that could be chosen, by full task name; the file may hold fewer."""
        return Counter({name: count.made - self.leaks.by_example_task[name] for name, count in self.counts.items()})


class PartMaker:
    """Makes parts of numbered blocks; the same block gives the same part, wherever it is made.

    Args:
        data: The mixture's configuration.
        seed: Of the run.
        tasks: The mixture's tasks, in the order of their numbers.
        protected: (evaluation task, text) pairs that must stay out.
        folder: Where the files go.
    """

    def __init__(
        self,
        data: DataConfig,
        seed: int,
        tasks: Sequence[PlannedTask],
        protected: Sequence[tuple[str, str]],
        folder: Path,
    ) -> None:
        self.seed, self.folder = seed, folder
        self.chooser = Chooser(data, seed, tasks)
        self.numbers = {one.name: number for number, one in enumerate(tasks)}
        self.guard = Guard(protected, data.leaks)

    def __call__(self, numbered: tuple[int, Block]) -> Part:
        number, block = numbered
        path = self.folder / f"{number:06}.arrow"
        counts: dict[str, TaskCounts] = {}
        leaks = Leaks()
        kept = []
        for instruction in self._instructions(block, counts):
            # Inputs and answers, one by one: what all examples share, the wording, is no evidence.
            against = self.guard.leak(instruction.prompt.input) or self.guard.leak(instruction.target)
            if against is None:
                kept.append(instruction)
            else:
                leaks.add(instruction, against)
        tasks = np.array([self.numbers[one.task] for one in kept], dtype=np.int32)
        keys = sort_keys(self.seed, [one.id for one in kept])
        # What is not among the first of its block can't be among the first of all.
        chosen = top_k_per_task(tasks, keys, self.chooser.caps(block.split))
        write_instructions(path, compress(kept, chosen))
        return Part(path, block.dataset, block.split, tasks[chosen], keys[chosen], counts, leaks)

    def _instructions(self, block: Block, counts: dict[str, TaskCounts]) -> Iterable[Instruction]:
        mine = [one for one in self.chooser.tasks if one.dataset.name == block.dataset]
        if not mine:
            return ()
        tasks = [one.task for one in mine]
        return instructions(mine[0].dataset, block.records, tasks, self.seed, counts, block.split)
