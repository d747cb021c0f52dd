"""One process's share of the texts: a block of records becomes a file of instructions, without what leaks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ecomgpt.config.schema import Config
from ecomgpt.data.choose import Chooser, Planned, first, places
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
        places: Place of each in the seeded order, shape (instructions,), uint64.
        counts: What the block's records gave, by full task name.
        leaks: What was taken out.
    """

    path: Path
    dataset: str
    split: str
    tasks: np.ndarray
    places: np.ndarray
    counts: dict[str, TaskCounts] = field(default_factory=dict)
    leaks: Leaks = field(default_factory=Leaks)

    @property
    def offered(self) -> Counter[str]:
        """Instructions that could be chosen, by full task name; the file may hold fewer."""
        return Counter({name: count.made - self.leaks.by_example_task[name] for name, count in self.counts.items()})


class PartMaker:
    """Makes parts of numbered blocks; the same block gives the same part, wherever it is made.

    Args:
        config: The run's configuration.
        tasks: The mixture's tasks, in the order of their numbers.
        protected: (evaluation task, text) pairs that must stay out.
        folder: Where the files go.
    """

    def __init__(
        self, config: Config, tasks: Sequence[Planned], protected: Sequence[tuple[str, str]], folder: Path
    ) -> None:
        self.seed, self.folder = config.seed, folder
        self.chooser = Chooser(config.data, config.seed, tasks)
        self.numbers = {one.name: number for number, one in enumerate(tasks)}
        self.guard = Guard(protected, config.data.leaks)

    def __call__(self, numbered: tuple[int, Block]) -> Part:
        number, block = numbered
        mine = [one for one in self.chooser.tasks if one.dataset.name == block.dataset]
        part = Part(self.folder / f"{number:06}.arrow", block.dataset, block.split, np.empty(0), np.empty(0))
        made = (
            instructions(
                mine[0].dataset, block.records, [one.task for one in mine], self.seed, part.counts, block.split
            )
            if mine
            else ()
        )
        kept: list[Instruction] = [instruction for instruction in made if not self._leaks(instruction, part.leaks)]
        tasks = np.array([self.numbers[instruction.task] for instruction in kept], dtype=np.int32)
        order = places(self.seed, [instruction.id for instruction in kept])
        # What is not among the first of its block can't be among the first of all.
        chosen = first(tasks, order, self.chooser.caps(block.split))
        write_instructions(part.path, (instruction for instruction, one in zip(kept, chosen, strict=True) if one))
        part.tasks, part.places = tasks[chosen], order[chosen]
        return part

    def _leaks(self, instruction: Instruction, leaks: Leaks) -> bool:
        # Inputs and answers, one by one: what all examples share, the wording, is no evidence.
        against = self.guard.leak(instruction.prompt.input) or self.guard.leak(instruction.target)
        if against:
            leaks.add(instruction, against)
        return against is not None
