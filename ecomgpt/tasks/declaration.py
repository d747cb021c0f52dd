"""A task is a YAML file: which records, which small function turns one into an instruction, and in which words.

``conf/tasks/<family>/<name>.yaml`` is read into `Task`. A dataset with records of the task's kind and the label axes
that it needs gives one task of the mixture, ``<dataset>.<task>``: that is how some hundred declarations become several
hundred tasks.
"""

import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from ecomgpt.common.errors import UserError, cause_of, suggestion
from ecomgpt.config.declarations import Declaration, OneOf, load, load_all, one_or_named
from ecomgpt.sources.families import FAMILIES
from ecomgpt.sources.records import KINDS
from ecomgpt.tasks.answers import FORMS

if TYPE_CHECKING:
    from ecomgpt.sources.dataset import Dataset

LANGUAGES = ("en", "zh")
Language = Annotated[str, OneOf(LANGUAGES)]
FEWEST_WORDINGS = 3
BUILDERS = "ecomgpt.tasks.builders"
SLOT = re.compile(r"\{(\w+)\}")
CANDIDATES = {
    "yes_no": {"en": ["yes", "no"], "zh": ["是", "否"]},
    "match": {"en": ["match", "not match"], "zh": ["匹配", "不匹配"]},
    "same": {"en": ["same", "not same"], "zh": ["相同", "不相同"]},
}
"""Closed sets by the key that stands for them in a declaration."""
CONSTRAINTS = {
    "choose": {"en": "Answer with one of the candidates only.", "zh": "只输出其中一个候选。"},
    "word": {"en": "Answer with one word.", "zh": "只回答一个词。"},
    "copy": {"en": "Repeat it exactly as it is written.", "zh": "请原样输出。"},
    "list": {
        "en": "Separate several answers with commas; write None if there are none.",
        "zh": "多个答案用逗号加空格分隔；没有则输出None。",
    },
    "lines": {
        "en": "Write one line for each type, as in 'Type: term, term' or 'Type: None'.",
        "zh": "每个类型输出一行，格式为“类型: 词, 词”或“类型: None”。",
    },
    "text": {"en": "Output the text only.", "zh": "只输出文本内容。"},
}
"""Sentences on the output's shape by the key that stands for them in a declaration."""


class Task(Declaration):
    """One declaration; see docs/adding-a-task.md for a worked example."""

    family: Annotated[str, OneOf(FAMILIES)] = Field(
        description="What the task asks for; the folder's name, so it may be left out."
    )
    record: Annotated[str, OneOf(KINDS)] = Field(description="The kind of record it is made from.")
    build: str = Field(
        description="The function that makes it: <module>.<function> below ecomgpt.tasks.builders, or its full path."
    )
    definition: str = Field(description="The task's short English name, for the head line of the prompt.")
    instructions: dict[Language, list[str]] = Field(
        description="Wordings by language, at least three each; {slots} are filled by the function."
    )
    form: Annotated[str, OneOf(FORMS)] = Field(description="The form of the answer.")
    kind: Literal["raw", "atomic"] = Field(
        "raw",
        description="Whether a dataset states the task itself (raw) or it is an intermediate step (atomic); "
        "atomic by itself where there is an operation or the labels are pseudo.",
    )
    label: Literal["golden", "pseudo"] = Field(
        "golden", description="Who annotated the answers: people or the generator (golden), or a chat model (pseudo)."
    )
    operation: Literal["simplification", "reversal", "recombination"] | None = Field(
        None, description="How an atomic golden task came to be."
    )
    serves: list[Annotated[str, OneOf(FAMILIES)]] = Field(
        [], description="The final families that an atomic task feeds: the chain."
    )
    axis: str | None = Field(
        None, exclude=True, description="The label axis that is asked for: goes into both 'needs' and 'options'."
    )
    needs: list[str] = Field([], description="Label axes that the dataset must declare, or a | b for either.")
    candidates: Annotated[dict[Language, list[str]], one_or_named(CANDIDATES, list[str])] = Field(
        {}, description="The task's own closed set by language, first what holds; or a key of CANDIDATES."
    )
    constraint: Annotated[dict[Language, str], one_or_named(CONSTRAINTS, str)] = Field(
        {},
        description="A sentence on the output's shape by language; half of the rows carry it. Or a key of CONSTRAINTS.",
    )
    options: dict[str, Any] = Field(
        {}, description="What the function wants to know, such as an axis or an entity type."
    )
    most: int = Field(4, ge=1, description="The most instructions that one record gives.")
    max_candidates: int = Field(
        24, ge=2, description="A larger closed set is sampled down to this, the right answers always among them."
    )
    separator: str = Field(", ", description="What stands between the items of an answer.")
    hidden: bool = Field(
        False, description="Whether the answer must not stand in the input; such rows are dropped and counted."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        """What follows from other keys is not written twice."""
        if not isinstance(given, dict):
            return given
        values = dict(given)
        if values.get("operation") or values.get("label") == "pseudo":
            values.setdefault("kind", "atomic")
        axis, needs, options = values.get("axis"), values.get("needs", []), values.get("options", {})
        if axis and isinstance(needs, list) and isinstance(options, dict):
            values["needs"] = [axis, *(need for need in needs if need != axis)]
            values["options"] = {"axis": axis, **options}
        return values

    @property
    def shows_candidates(self) -> bool:
        """Whether the wordings list the candidates; else they stand in the input, as the builder ordered them."""
        return "{candidates}" in self.instructions["en"][0]

    @property
    def module(self) -> str:
        """The module of ``build``: one of ours, or the full path of one of the user's own."""
        module = self.build.rpartition(".")[0]
        ours = f"{BUILDERS}.{module}"
        return module if "." in module or not importlib.util.find_spec(ours) else ours

    def function(self) -> Callable[..., Any]:
        """The builder that ``build`` names.

        Raises:
            UserError: If there is no such module or function.
        """
        path, name = self.module, self.build.rpartition(".")[2]
        try:
            found = importlib.import_module(path)
        except Exception as error:  # Whatever a module of the user's own raises.
            raise UserError(
                f"task '{self.name}': build names '{path}', which is no module of {BUILDERS}, nor can it be imported: "
                f"{cause_of(error)}"
            ) from None
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
    found = load_all(
        "tasks", own, lambda path: [read_task(path)], lambda task, path: _problems(task), names, "there is no task '{}'"
    )
    return sorted(found, key=lambda task: task.name)


def read_task(path: Path) -> Task:
    """A file's declaration; its name and, in a folder of that name, its family follow from where it lies.

    Raises:
        UserError: With all problems of the file.
    """
    family = {"family": path.parent.name} if path.parent.name in FAMILIES else {}
    return load(path, Task, name=path.stem, **family)


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


def _problems(task: Task) -> Iterator[str]:
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
    try:
        task.function()
    except UserError as error:
        yield from error.problems
