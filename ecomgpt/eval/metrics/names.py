"""The names of all metrics, what stands behind them, and which fit an answer's kind and form; imports nothing heavy."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecomgpt.eval.metrics.base import Metric

_METRICS: dict[str, str] = {
    "micro_f1": "items.MICRO_F1",
    "macro_f1": "items.MACRO_F1",
    "partial_f1": "items.PARTIAL_F1",
    "accuracy": "items.ACCURACY",
    "exact_match": "items.EXACT_MATCH",
    "rouge_1": "rouge.ROUGE_1",
    "rouge_2": "rouge.ROUGE_2",
    "rouge_l": "rouge.ROUGE_L",
    "token_f1": "rouge.TOKEN_F1",
    "chrf": "chrf.CHRF",
    "invalid_rate": "items.INVALID_RATE",
    "released_micro_f1": "released.MICRO_F1",
    "released_macro_f1": "released.MACRO_F1",
    "released_rouge_l": "released.ROUGE_L",
}
METRIC_NAMES = tuple(_METRICS)
RELEASED = tuple(name for name in METRIC_NAMES if name.startswith("released_"))

LOWER_IS_BETTER = frozenset({"invalid_rate"})

_BY_FORM: dict[str, tuple[str, ...]] = {
    "label": ("accuracy", "micro_f1", "macro_f1", "exact_match", "rouge_l"),
    "labels": ("micro_f1", "macro_f1", "exact_match", "rouge_l"),
    "spans": ("micro_f1", "partial_f1", "exact_match", "rouge_1", "rouge_2", "rouge_l"),
    "typed_spans": ("micro_f1", "macro_f1", "partial_f1", "exact_match", "rouge_1", "rouge_2", "rouge_l"),
}
_BY_KIND: dict[str, tuple[str, ...]] = {
    "Extract": ("rouge_l", "rouge_1", "rouge_2", "token_f1", "exact_match"),
    "Generate": ("rouge_l", "rouge_1", "rouge_2", "chrf", "exact_match"),
}


def defaults(kind: str, form: str) -> list[str]:
    """The metrics that fit, the one that best stands for the task first.

    Args:
        kind: A key of `ecomgpt.eval.rows.TASK_TYPES`.
        form: A key of `ecomgpt.tasks.answers.FORMS`.
    """
    valid = _BY_KIND.get(kind, _BY_KIND["Generate"]) if form == "text" else _BY_FORM[form]
    if (kind, form) == ("Extract", "label"):  # A choice among texts of the input: no row has another's classes.
        valid = ("accuracy", "rouge_l", "exact_match")
    return [*valid, "invalid_rate", *RELEASED]


def metric(name: str, kind: str) -> "Metric":
    """The metric of a name, one of `METRIC_NAMES`, for a task type; the released F1 of NER differs from the others'."""
    module, _, attribute = _METRICS[name].partition(".")
    if kind == "NER" and name in ("released_micro_f1", "released_macro_f1"):
        module = "released_ner"
    found: Metric = getattr(import_module(f"ecomgpt.eval.metrics.{module}"), attribute)
    return found
