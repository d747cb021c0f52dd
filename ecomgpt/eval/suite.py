"""The suite of a run: its tasks, declared or made from the mixture, each with the rows to answer."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.common.hashing import number
from ecomgpt.config.schema import Config
from ecomgpt.eval import general
from ecomgpt.eval.mixture import instructions, mixture_tasks
from ecomgpt.eval.released import read_released
from ecomgpt.eval.rows import EvalRow, from_instruction
from ecomgpt.eval.task import EvalTask, load_eval_tasks
from ecomgpt.tasks.instruction import Instruction

QUESTIONS_SEED = 0
"""Wordings and candidates of evaluation rows: the same questions in every run, whatever the run's own seed."""

Suite = list[tuple[EvalTask, list[EvalRow]]]


def load_suite(config: Config, manifest: Mapping[str, Any], seed: int = QUESTIONS_SEED) -> Suite:
    """The suite's tasks with their rows, in the order of the configuration.

    Args:
        config: The run's configuration.
        manifest: Of the mixture that the model was trained on, which names the tasks of ``eval.mixture``; empty for a
            model that this project did not train: then the tasks that the configuration would train on are taken.
        seed: Decides wordings, candidates and their order; the rows are the same under every seed.

    Raises:
        UserError: If a declared task has no rows, a file is broken, or no task is left.
    """
    declared = load_eval_tasks(config.eval.tasks, config.paths.conf)
    made = mixture_tasks(config, manifest)
    from_mixture = mixture_rows([*declared, *made], config, seed=seed)
    suite: Suite = []
    for task in declared:
        rows = from_mixture[task.name] if task.format == "mixture" else load_rows(task, config, seed)
        if not rows:
            raise UserError(
                f"the evaluation task '{task.name}' has no rows: '{task.task}' gives none in its test split"
            )
        suite.append((task, rows))
    # A task of the mixture may have no test rows, or none in one of the languages; that is no mistake.
    suite += [(task, from_mixture[task.name]) for task in made if from_mixture[task.name]]
    if not suite and config.eval.mixture:
        raise UserError(f"eval={config.eval.name}: no task of the mixture has rows in its test split")
    return suite


def load_rows(task: EvalTask, config: Config, seed: int = QUESTIONS_SEED) -> list[EvalRow]:
    """The rows of a task that reads its own files or makes its own rows."""
    settings = config.eval
    if task.format == "general":
        return choose(general.rows(task, QUESTIONS_SEED), settings.limit)
    data = Path(config.paths.data).expanduser()
    rows = read_released(task, data, seed=seed, candidates=settings.candidates, max_candidates=settings.max_candidates)
    return choose(rows, settings.limit)


def mixture_rows(
    tasks: Iterable[EvalTask],
    config: Config,
    source: Callable[..., Iterator[Instruction]] = instructions,
    seed: int = QUESTIONS_SEED,
) -> dict[str, list[EvalRow]]:
    """The rows of all tasks that come from the mixture, by task; every dataset is read once for seen wordings, once for
    unseen.

    Args:
        tasks: Those of other formats are passed over.
        config: The run's configuration, with the ``data`` and ``sources`` that the model was trained with.
        source: Gives the test rows of some tasks; see `ecomgpt.eval.mixture.instructions`.
        seed: As for `load_suite`.
    """
    selected = [task for task in tasks if task.format == "mixture"]
    limit, declared = config.eval.limit, set(config.eval.tasks)
    found = {
        task.name: ReservoirById(limit if task.name in declared else config.eval.mixture_limit or limit)
        for task in selected
    }
    for unseen in (False, True):
        wanted: dict[tuple[str, str], list[EvalTask]] = {}
        for task in selected:
            if task.unseen == unseen:
                for language in ("en", "zh") if task.language == "mul" else (task.language,):
                    wanted.setdefault((task.task or "", language), []).append(task)
        names = sorted({name for name, _ in wanted})
        for made in source(config, names, seed, unseen) if names else ():
            for task in wanted.get((made.task, made.language), ()):
                found[task.name].add(from_instruction(made, task.name, task.kind))
    return {name: reservoir.rows() for name, reservoir in found.items()}


def choose(rows: list[EvalRow], limit: int | None) -> list[EvalRow]:
    """``limit`` rows by the hash of their ids, in their old order: the same in every run, smaller limits within larger
    ones."""
    reservoir = ReservoirById(limit)
    for row in rows:
        reservoir.add(row)
    return reservoir.rows()


class ReservoirById:
    """Keeps the rows of a stream that `choose` would keep: those with the smallest hashes of their ids.

    Args:
        limit: At most so many; None keeps all.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._kept: list[tuple[int, int, EvalRow]] = []
        self._seen = 0

    def add(self, row: EvalRow) -> None:
        """Offers the next row."""
        self._seen += 1
        if self.limit is None:
            self._kept.append((0, self._seen, row))
            return
        # Negative, because the smallest hashes stay and the heap gives up its smallest entry. The count breaks ties.
        entry = (-number(row.id), self._seen, row)
        if len(self._kept) < self.limit:
            heapq.heappush(self._kept, entry)
        else:
            heapq.heappushpop(self._kept, entry)

    def rows(self) -> list[EvalRow]:
        """What was kept, in the order of the stream."""
        return [row for _, _, row in sorted(self._kept, key=lambda entry: entry[1])]
