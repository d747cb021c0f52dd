"""The mixture and the datasets it is made of."""

from dataclasses import dataclass
from typing import Any

from ecomgpt.config.options import FREE, REQUIRED, option

BUILDS = ("run", "build", "fit", "plan")


@dataclass
class BudgetConfig:
    """Makes two mixtures comparable by size; a mixture smaller than its budget is refused.

    The validation split shrinks in proportion.
    """

    examples: int | None = option(None, "train on exactly this many examples of the mixture", low=1)
    target_tokens: int | None = option(None, "train on this many answer tokens, to within one example", low=1)


@dataclass
class LeakConfig:
    """Keeps evaluation texts out of the training data."""

    enabled: bool = option(True, "remove training examples that contain a text of the evaluation suite")
    ngram: int = option(13, "texts that share this many consecutive tokens (characters in Chinese) are the same", low=3)
    overlap: float = option(
        0.6, "share of an evaluation text's n-grams in a training input that makes it a leak", low=0.05, high=1
    )


@dataclass
class DataConfig:
    """The mixture: which tasks, and how many examples of each."""

    name: str = option(REQUIRED, "name of the mixture in reports")
    kinds: list[str] = option(lambda: ["raw", "atomic"], "kinds of tasks", choices=("raw", "atomic"))
    labels: list[str] = option(
        lambda: ["golden", "pseudo"], "whose labels atomic tasks may use", choices=("golden", "pseudo")
    )
    languages: list[str] = option(lambda: ["en", "zh"], "languages of the texts", choices=("en", "zh"))
    families: list[str] | None = option(None, "task families to keep; null for all")
    tasks: list[str] | None = option(None, "tasks to keep, as <task> or <dataset>.<task>; null for all")
    exclude: list[str] = option(list, "tasks to leave out, as <task> or <dataset>.<task>")
    max_tasks: int | None = option(
        None, "number of tasks; nested: 16 tasks include the 8; null for all", low=1, common=True
    )
    max_examples_per_task: int | None = option(
        800, "cap on training examples per task; null for none", low=1, common=True
    )
    temperature: float = option(1.0, "tasks are drawn in proportion to (capped size) ** (1 / temperature)", low=0.01)
    weights: dict[str, float] = option(
        dict, "multiplies the cap of a task or family; without a cap, at most all of its examples are taken"
    )
    validation: float = option(0.02, "share of record groups held out for the validation loss", low=0, high=0.5)
    test: float = option(
        0.1, "share of record groups held out for evaluation, in datasets without a test split", low=0, high=0.5
    )
    max_length: int = option(
        1024, "tokens of prompt and answer; longer inputs are cut and counted", low=32, jobs=BUILDS, decides="tokens"
    )
    budget: BudgetConfig = option(BudgetConfig, "equal size for fair ablations", jobs=BUILDS, decides="tokens")
    leaks: LeakConfig = option(LeakConfig, "guard against contamination", jobs=BUILDS)
    processes: int | None = option(
        None,
        "processes that prepare the mixture, which does not depend on their number; null for one per core, at most 8",
        low=1,
        jobs=BUILDS,
        **FREE,
    )


@dataclass
class SourcesConfig:
    """Which datasets to read."""

    name: str = option(REQUIRED, "name of the selection in reports")
    datasets: list[str] | None = option(None, "names from conf/sources/datasets; null for all that are found")
    include_excluded: list[str] = option(list, "datasets to use although they are left out by default")
    options: dict[str, dict[str, Any]] = option(
        dict, "overrides a dataset's own reader options: {dataset: {option: value}}"
    )
    fetch: bool = option(
        False,
        "download what is missing from the Hugging Face hub, where that needs no registration",
        jobs=("build",),
        **FREE,
    )
    max_bad_rows: int = option(0, "malformed rows a dataset may contain before the build stops", low=0)
