"""What an evaluation task declares, and the tasks that are declared: one YAML each in ``conf/eval/tasks``."""

from collections.abc import Sequence
from dataclasses import dataclass

from ecomgpt.common.errors import UserError, suggestion
from ecomgpt.config.declare import load, option
from ecomgpt.config.roots import declarations
from ecomgpt.eval.general import GENERATORS
from ecomgpt.eval.metrics.names import METRIC_NAMES, defaults
from ecomgpt.eval.rows import KINDS
from ecomgpt.tasks.families import FAMILIES

GENERAL = "general"
"""The family of tasks outside e-commerce."""


@dataclass
class Published:
    """Points of the paper's figure 2, read off by eye (ROUGE +-0.02, shares +-1)."""

    released_rouge_l: float | None = option(None, "ROUGE of EcomGPT-7B1", low=0, high=1)
    win: int | None = option(None, "percent of answers that people preferred to ChatGPT's", low=0, high=100)
    tie: int | None = option(None, "percent judged equal", low=0, high=100)
    loss: int | None = option(None, "percent where ChatGPT's was preferred", low=0, high=100)


@dataclass
class EvalTask:
    """An evaluation task: where its rows are, how long answers may be, what is measured."""

    name: str = option(help="the task's name in predictions, metrics and reports")
    title: str = option(help="a short name for tables")
    language: str = option(help="of its rows; with mul, rows of all languages are taken", choices=("en", "zh", "mul"))
    family: str = option(
        help="key of ecomgpt.tasks.families, or general: outside e-commerce", choices=(*FAMILIES, GENERAL)
    )
    dataset: str = option(help="the dataset behind it; decides what counts as another dataset")
    format: str = option("released", "where its rows come from", choices=("released", "mixture", "general"))
    folder: str | None = option(None, "released: the folder of test.json and meta-info.json, below paths.data")
    task: str | None = option(
        None, "mixture: <dataset>.<task>, whose rows of the test split are taken; general: a key of its GENERATORS"
    )
    held_out: bool = option(
        True, "mixture: training leaves the task out; false measures a trained task on unseen products"
    )
    unseen: bool = option(False, "mixture: ask in the wordings of conf/eval/wordings, which training never sees")
    kind: str | None = option(None, "task type; null takes it from the folder's name or the form", choices=tuple(KINDS))
    max_prompt_tokens: int | None = option(
        None, "longer inputs are cut and counted; null takes eval.max_prompt_tokens", low=32
    )
    max_new_tokens: int = option(128, "answers end here at the latest", low=1)
    metrics: list[str] = option(factory=list, help="what is measured; empty takes what fits kind and form")
    primary: str | None = option(None, "the metric that stands for the task; null takes what fits kind and form")
    published: Published | None = option(None, "the paper's points for it")

    def metric_names(self, kind: str, form: str) -> list[str]:
        """The declared metrics or those that fit, the primary one first."""
        names = self.metrics or defaults(kind, form)
        primary = self.primary or names[0]
        return [primary, *(name for name in names if name != primary)]


def load_eval_tasks(names: Sequence[str] | None = None, own: str | None = None) -> list[EvalTask]:
    """The declared tasks, in the order of ``names``.

    Args:
        names: Which; None takes all.
        own: The user's own configuration folder; a task there replaces a shipped one of the same name.

    Raises:
        UserError: With all problems of all files, or for unknown names, with the nearest.
    """
    known: dict[str, EvalTask] = {}
    problems: list[str] = []
    for path in declarations("eval/tasks", own):
        try:
            task = load(path, EvalTask)
        except UserError as error:
            problems.extend(error.problems)
            continue
        problems.extend(f"{path}: {problem}" for problem in _problems(task, path.stem))
        known[task.name] = task
    wanted = list(known) if names is None else list(dict.fromkeys(names))
    problems.extend(
        f"eval.tasks: unknown task '{name}'{suggestion(name, list(known))}" for name in wanted if name not in known
    )
    if problems:
        raise UserError(*problems)
    return [known[name] for name in wanted]


def _problems(task: EvalTask, stem: str) -> list[str]:
    # One file a task: a copy that kept the old name would take its place unseen. Predictions are named after it, too.
    found = (
        [f"the name is '{task.name}', but the file is called '{stem}'; make them the same"] if task.name != stem else []
    )
    found += [
        f"unknown metric '{name}'{suggestion(name, METRIC_NAMES)}"
        for name in [*task.metrics, *([task.primary] if task.primary else [])]
        if name not in METRIC_NAMES
    ]
    if task.format == "released" and not task.folder:
        found.append("the key 'folder' is missing: the folder of test.json and meta-info.json, below paths.data")
    if task.format == "general" and (task.family, task.language) not in ((GENERAL, "en"), (GENERAL, "zh")):
        found.append("a general task has the family 'general' and the language en or zh")
    if task.format == "general" and task.task not in GENERATORS:
        found.append(f"the key 'task' is {task.task!r}, expected one of {', '.join(GENERATORS)}")
    if task.format == "mixture" and (not task.task or task.task.count(".") != 1):
        found.append(f"the key 'task' is {task.task!r}, expected <dataset>.<task>")
    return found
