"""Evaluation tasks made from the training mixture: each of its tasks, on rows that training never sees.

The rows are the test split of the training sources: the datasets' own, or groups of records that training never sees.
They are asked in the wordings that training draws from (suite ``in_domain``), or in wordings that stand in
``conf/eval/wordings`` alone, a folder that nothing but this module reads (suite ``unseen_instructions``): same rows,
same candidates, other words.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import Field

from ecomgpt.common.errors import UserError, suggestion
from ecomgpt.config.declarations import Strict, load
from ecomgpt.config.roots import declarations
from ecomgpt.config.schema import Config
from ecomgpt.data.instructions import BlockCounts, blocks, catalog, data_root, find, planned
from ecomgpt.eval.task import EvalTask
from ecomgpt.sources.catalog import locate, missing
from ecomgpt.tasks import engine
from ecomgpt.tasks.declaration import LANGUAGES, SLOT, Language, Task, load_tasks
from ecomgpt.tasks.instruction import Instruction

ANSWER_TOKENS = {"label": 32, "labels": 64, "spans": 96, "typed_spans": 192, "text": 128}
"""The longest answer by its form."""


def mixture_tasks(config: Config, manifest: Mapping[str, Any]) -> list[EvalTask]:
    """The tasks that ``eval.mixture`` requests, one per task of the mixture, language and kind of wording.

    Args:
        config: The run's configuration.
        manifest: Names the tasks that the model was trained on; empty: those that the configuration would train on.
    """
    if not config.eval.mixture:
        return []
    if manifest:
        names = [task["name"] for task in manifest["tasks"]]
    else:
        used = find(config.data, config.sources, config.paths, config.eval.tasks).datasets
        names = [one.name for one in planned(config.data, used, (), config.paths.conf)]
    tasks = {task.name: task for task in load_tasks(None, config.paths.conf)}
    gone = [name for name in names if name.partition(".")[2] not in tasks]
    if gone:
        raise UserError(
            f"the model was trained on the task '{gone[0]}', which is no longer declared; "
            "restore its YAML or leave eval.mixture out"
        )
    datasets = {dataset.name: dataset for dataset in catalog(config.sources, config.paths.conf, None)}
    worded, kinds = set(unseen_wordings(config.paths.conf)), config.eval.mixture_kinds
    found = []
    for unseen in sorted(wording == "unseen" for wording in set(config.eval.mixture)):
        for name in sorted(names):
            source, _, short = name.partition(".")
            if (unseen and short not in worded) or (kinds and tasks[short].kind not in kinds):
                continue
            language = datasets[source].language if source in datasets else "mul"
            for one in LANGUAGES if language == "mul" else (language,):
                found.append(_task(tasks[short], source, one, unseen))
    return found


def _task(task: Task, source: str, language: str, unseen: bool) -> EvalTask:
    words = ", unseen wording" if unseen else ""
    return EvalTask(
        name=f"{language}-{source}.{task.name}{'.unseen' if unseen else ''}",
        title=f"{task.name.replace('_', ' ')} · {source} ({language}{words})",
        language=language,
        family=task.family,
        dataset=source,
        format="mixture",
        task=f"{source}.{task.name}",
        held_out=False,
        unseen=unseen,
        max_new_tokens=ANSWER_TOKENS[task.form],
    )


def instructions(config: Config, names: Sequence[str], seed: int, unseen: bool = False) -> Iterator[Instruction]:
    """The test rows of some tasks, in one pass over each dataset.

    Args:
        config: The run's configuration.
        names: Tasks as ``<dataset>.<task>``.
        seed: Decides wordings, candidates and distractors.
        unseen: Ask in the wordings of ``conf/eval/wordings``; all else stays the same, row by row.

    Raises:
        UserError: If a dataset or task is unknown, or the dataset is not there.
    """
    by_dataset: dict[str, list[str]] = {}
    for name in names:
        source, _, short = name.partition(".")
        by_dataset.setdefault(source, []).append(short)
    wordings = unseen_wordings(config.paths.conf) if unseen else {}
    for dataset in catalog(config.sources, config.paths.conf, sorted(by_dataset)):
        if dataset.reader != "demo" and not locate(dataset, data_root(config.paths)):
            raise UserError(f"the evaluation needs the test rows of {missing(dataset, data_root(config.paths))}")
        tasks = load_tasks(by_dataset[dataset.name], config.paths.conf)
        if unseen:
            tasks = [task.model_copy(update={"instructions": wordings[task.name]}) for task in tasks]
        bad_rows = config.sources.max_bad_rows
        for block in blocks(dataset, data_root(config.paths), config.data, bad_rows, ["test"], BlockCounts()):
            yield from engine.instructions(dataset, block.records, tasks, seed, {}, block.split)


class Wordings(Strict):
    """``conf/eval/wordings/<family>.yaml``: wordings for evaluation alone."""

    tasks: dict[str, dict[Language, list[str]]] = Field(
        description="task to language to wordings, with the slots of the task's own wordings"
    )


@lru_cache(maxsize=4)
def unseen_wordings(own: str | None = None) -> dict[str, dict[str, list[str]]]:
    """Task to language to wordings that training never sees.

    Args:
        own: The user's own configuration folder; its wordings replace shipped ones task by task.

    Raises:
        UserError: With every problem of every file: unknown tasks, missing languages, other slots than the task's own
            wordings, or a wording that training uses.
    """
    tasks = {task.name: task for task in load_tasks(None, own)}
    found: dict[str, dict[str, list[str]]] = {}
    problems: list[str] = []
    for path in declarations("eval/wordings", own):
        for name, wordings in load(path, Wordings).tasks.items():
            if name not in tasks:
                problems.append(f"{path}: there is no task '{name}'{suggestion(name, list(tasks))}")
                continue
            problems += (f"{path}: {name}: {problem}" for problem in _problems(tasks[name], wordings))
            found[name] = wordings
    if problems:
        raise UserError(*problems)
    return found


def _problems(task: Task, wordings: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for language in LANGUAGES:
        if not wordings.get(language):
            yield f"gives no wording in '{language}'"
        slots = Counter(slot for text in task.instructions[language] for slot in set(SLOT.findall(text)))
        always = {slot for slot, number in slots.items() if number == len(task.instructions[language])}
        known = {_plain(text) for text in task.instructions[language]}
        for text in wordings.get(language, ()):
            own = set(SLOT.findall(text))
            if not always <= own <= set(slots):
                yield f"'{text}' has the slots {sorted(own)}, the task's own wordings have {sorted(slots)}"
            if _plain(text) in known:
                yield f"'{text}' is a wording that training uses"


def _plain(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum() or char in "{}")
