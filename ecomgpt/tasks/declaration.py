"""A task is a YAML file: which records, which small function turns one into an instruction, and in which words.

``conf/tasks/<family>/<name>.yaml`` is read into `Task`. A dataset with records of the task's kind and the
label axes that it needs gives one task of the mixture, ``<dataset>.<task>``: that is how some hundred declarations become
several hundred tasks.
"""

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.common.errors import UserError, suggestion
from ecomgpt.config.declare import load, option
from ecomgpt.config.roots import declarations
from ecomgpt.sources.records import KINDS
from ecomgpt.tasks.answers import FORMS
from ecomgpt.tasks.families import FAMILIES

if TYPE_CHECKING:
    from ecomgpt.sources.dataset import Dataset

LANGUAGES = ("en", "zh")
FEWEST_WORDINGS = 3
BUILDERS = "ecomgpt.tasks.builders"
SLOT = re.compile(r"\{(\w+)\}")


@dataclass
class Task:
    """One declaration; see docs/adding-a-task.md for a worked example."""

    name: str = option(help="The file's name without its ending, unique among the tasks.")
    family: str = option(help="What the task asks for.", choices=list(FAMILIES))
    record: str = option(help="The kind of record it is made from.", choices=list(KINDS))
    build: str = option(
        help="The function that makes it: <module>.<function> below ecomgpt.tasks.builders, or a full dotted path."
    )
    definition: str = option(help="The task's short English name, for the head line of the prompt.")
    instructions: dict[str, list[str]] = option(
        help="Wordings by language, at least three each; {slots} are filled by the function."
    )
    form: str = option(help="The form of the answer.", choices=list(FORMS))
    kind: str = option(
        "raw",
        "Whether a dataset states the task itself (raw) or it is an intermediate step (atomic).",
        choices=["raw", "atomic"],
    )
    label: str = option(
        "golden",
        "Who annotated the answers: people or the generator (golden), or a chat model (pseudo).",
        choices=["golden", "pseudo"],
    )
    operation: str | None = option(
        None, "How an atomic golden task came to be.", choices=["simplification", "reversal", "recombination"]
    )
    serves: list[str] = option(
        help="The final families that an atomic task feeds: the chain.", factory=list, choices=list(FAMILIES)
    )
    needs: list[str] = option(help="Label axes that the dataset must declare, or a | b for either.", factory=list)
    candidates: dict[str, list[str]] = option(
        help="The task's own closed set by language, first what holds.", factory=dict
    )
    constraint: dict[str, str] = option(
        help="A sentence on the output's shape by language; half of the rows carry it.", factory=dict
    )
    options: dict[str, Any] = option(
        help="What the function wants to know, such as an axis or an entity type.", factory=dict
    )
    most: int = option(4, "The most instructions that one record gives.", low=1)
    max_candidates: int = option(
        24, "A larger closed set is sampled down to this, the right answers always among them.", low=2
    )
    separator: str = option(", ", "What stands between the items of an answer.")
    hidden: bool = option(False, "Whether the answer must not stand in the input; such rows are dropped and counted.")

    @property
    def shows_candidates(self) -> bool:
        """Whether the wordings list the candidates; else they stand in the input, as the builder ordered them."""
        return "{candidates}" in self.instructions["en"][0]

    def function(self) -> Callable[..., Any]:
        """The builder that ``build`` names.

        Raises:
            UserError: If there is no such module or function.
        """
        module, _, name = self.build.rpartition(".")
        path = module if "." in module else f"{BUILDERS}.{module}"
        try:
            found = importlib.import_module(path)
        except ModuleNotFoundError:
            raise UserError(f"task '{self.name}': build names the module '{path}', which does not exist") from None
        if not callable(getattr(found, name, None)):
            known = [key for key, value in vars(found).items() if callable(value) and value.__module__ == path]
            raise UserError(f"task '{self.name}': {path} has no function '{name}'{suggestion(name, known)}")
        return getattr(found, name)


def load_tasks(names: list[str] | None = None, own: str | None = None) -> list[Task]:
    """The declared tasks, sorted by name.

    Args:
        names: Only these; None for all.
        own: The user's own configuration folder; a task of a shipped name replaces it.

    Raises:
        UserError: With every problem of every file, or with the names that are unknown.
    """
    problems: list[str] = []
    tasks: dict[str, Task] = {}
    for path in declarations("tasks", own):
        try:
            task = load(path, Task)
        except UserError as error:
            problems += error.problems
            continue
        problems += (f"{path}: {problem}" for problem in _problems(task, path))
        tasks[task.name] = task
    if problems:
        raise UserError(*problems)
    unknown = [name for name in names or [] if name not in tasks]
    if unknown:
        raise UserError(*(f"there is no task '{name}'{suggestion(name, list(tasks))}" for name in unknown))
    return [tasks[name] for name in sorted(tasks) if names is None or name in names]


def applies(task: Task, dataset: "Dataset") -> bool:
    """Whether a dataset can give this task: the kind of record, the label axes, and who labelled it.

    The dataset's option ``pseudo`` says who: absent = people, ``only`` = a chat model labelled everything,
    ``also`` = both kinds of task may be made from it.
    """
    pseudo = dataset.options.get("pseudo")
    labelled = pseudo in ("also", "only") if task.label == "pseudo" else pseudo != "only"
    return labelled and task.record in dataset.records and all(_meets(need, dataset) for need in task.needs)


def _meets(need: str, dataset: "Dataset") -> bool:
    declared = {axis.partition(".")[0] for axis in dataset.labels}  # "intent.zh" declares "intent" for one language
    return any(axis.strip() in declared for axis in need.split("|"))


def _problems(task: Task, path: Path) -> Iterator[str]:
    if task.name != path.stem:
        yield f"the name is '{task.name}', but the file is called '{path.stem}'; make them the same"
    if task.kind == "raw" and (task.operation or task.serves or task.label == "pseudo"):
        yield "a raw task has no operation, serves nothing and is golden; make it atomic or leave these out"
    if task.kind == "atomic" and not task.serves:
        yield "an atomic task names the families it serves (key 'serves')"
    if task.kind == "atomic" and (task.operation is None) != (task.label == "pseudo"):
        yield "an atomic golden task names its operation, a pseudo one has none"
    for language in LANGUAGES:
        count = len(task.instructions.get(language, []))
        if count < FEWEST_WORDINGS:
            yield f"'instructions.{language}' holds {count} wordings; write at least {FEWEST_WORDINGS}"
    asking = {"{candidates}" in wording for wordings in task.instructions.values() for wording in wordings}
    if len(asking) > 1:
        yield "some wordings show {candidates} and some do not; all of them or none"
    for key in ("instructions", "candidates", "constraint"):
        for language in getattr(task, key):
            if language not in LANGUAGES:
                yield f"'{key}.{language}' is no known language; known: {', '.join(LANGUAGES)}"
    try:
        task.function()
    except UserError as error:
        yield from error.problems
