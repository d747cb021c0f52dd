"""What an evaluation task declares, and the tasks that are declared: one YAML each in ``conf/eval/tasks``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ecomgpt.common.errors import UserError
from ecomgpt.config.declarations import Declaration, OneOf, Strict, load, load_all
from ecomgpt.eval.general import GENERATORS
from ecomgpt.eval.metrics.names import METRIC_NAMES, defaults
from ecomgpt.eval.rows import TASK_TYPES
from ecomgpt.sources.families import FAMILIES

GENERAL = "general"
"""The family of tasks outside e-commerce."""


class Published(Strict):
    """Points of the paper's figure 2, read off by eye (ROUGE +-0.02, shares +-1)."""

    released_rouge_l: float | None = Field(None, ge=0, le=1, description="ROUGE of EcomGPT-7B1")
    win: int | None = Field(None, ge=0, le=100, description="percent of answers that people preferred to ChatGPT's")
    tie: int | None = Field(None, ge=0, le=100, description="percent judged equal")
    loss: int | None = Field(None, ge=0, le=100, description="percent where ChatGPT's was preferred")


class EvalTask(Declaration):
    """An evaluation task: where its rows are, how long answers may be, what is measured."""

    title: str = Field(description="a short name for tables")
    language: Literal["en", "zh", "mul"] = Field(
        "mul", description="of its rows; with mul, rows of all languages are taken"
    )
    languages: list[Literal["en", "zh"]] = Field(
        [], exclude=True, description="instead of 'language': one task per language, called <language>-<file name>"
    )
    family: Annotated[str, OneOf((*FAMILIES, GENERAL))] = Field(
        description="key of ecomgpt.sources.families, or general: outside e-commerce"
    )
    dataset: str = Field(description="the dataset behind it; decides what counts as another dataset")
    format: Literal["released", "mixture", "general"] = Field("released", description="where its rows come from")
    folder: str | None = Field(
        None, description="released: the folder of test.json and meta-info.json, below paths.data"
    )
    task: str | None = Field(
        None,
        description="mixture: <dataset>.<task>, whose rows of the test split are taken; "
        "general: a key of its GENERATORS",
    )
    held_out: bool = Field(
        True, description="mixture: training leaves the task out; false measures a trained task on unseen products"
    )
    unseen: bool = Field(
        False, description="mixture: ask in the wordings of conf/eval/wordings, which training never sees"
    )
    choices: str | None = Field(
        None,
        min_length=1,
        description="released: the input lists the possible answers behind these words; one of them is right",
    )
    decoding: Literal["generate", "rank"] | None = Field(
        None, description="write the answer, or rank the candidates; null takes eval.decoding"
    )
    varies: str = Field("", exclude=True, description="set by the program: the task that this one asks in another way")
    kind: Annotated[str, OneOf(TASK_TYPES)] | None = Field(
        None, description="task type; null takes it from the folder's name or the form"
    )
    max_prompt_tokens: int | None = Field(
        None, ge=32, description="longer inputs are cut and counted; null takes eval.max_prompt_tokens"
    )
    max_new_tokens: int = Field(128, ge=1, description="answers end here at the latest")
    metrics: list[Annotated[str, OneOf(METRIC_NAMES)]] = Field(
        [], description="what is measured; empty takes what fits kind and form"
    )
    primary: Annotated[str, OneOf(METRIC_NAMES)] | None = Field(
        None, description="the metric that stands for the task; null takes what fits kind and form"
    )
    published: Published | None = Field(None, description="the paper's points for it")

    def metric_names(self, kind: str, form: str) -> list[str]:
        """The declared metrics or those that fit, the primary one first; the invalid rate is always among them."""
        names = self.metrics or defaults(kind, form)
        return list(dict.fromkeys([self.primary or names[0], *names, "invalid_rate"]))


def load_eval_tasks(names: Sequence[str] | None = None, own: str | None = None) -> list[EvalTask]:
    """The declared tasks, in the order of ``names``.

    Args:
        names: Which; None takes all.
        own: The user's own configuration folder; a task there replaces a shipped one of the same name.

    Raises:
        UserError: With all problems of all files, or for unknown names, with the nearest.
    """
    return load_all(
        "eval/tasks", own, _read, lambda task, path: _problems(task), names, "eval.tasks: unknown task '{}'"
    )


def _read(path: Path) -> list[EvalTask]:
    """The tasks of a file: one, or one per language."""
    task = load(path, EvalTask, name=path.stem)
    if len(task.model_fields_set & {"language", "languages"}) != 1:
        raise UserError(f"{path}: give one of the keys 'language' (en, zh or mul) and 'languages' (a list)")
    if not task.languages:
        return [task]
    return [
        task.model_copy(
            update={"name": f"{language}-{task.name}", "title": f"{task.title} ({language})", "language": language}
        )
        for language in task.languages
    ]


def _problems(task: EvalTask) -> Iterator[str]:
    if task.varies:
        yield "the key 'varies' is set by the program; leave it out"
    if task.format == "released" and not task.folder:
        yield "the key 'folder' is missing: the folder of test.json and meta-info.json, below paths.data"
    if task.format == "general" and (task.family, task.language) not in ((GENERAL, "en"), (GENERAL, "zh")):
        yield "a general task has the family 'general' and the language en or zh"
    if task.format == "general" and task.task not in GENERATORS:
        yield f"the key 'task' is {task.task!r}, expected one of {', '.join(GENERATORS)}"
    if task.format == "mixture" and (not task.task or task.task.count(".") != 1):
        yield f"the key 'task' is {task.task!r}, expected <dataset>.<task>"
