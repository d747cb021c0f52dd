"""The names of all metrics, and which fit an answer's kind and form; imports nothing heavy."""

RELEASED = ("released_micro_f1", "released_macro_f1", "released_rouge_l")

METRIC_NAMES: tuple[str, ...] = (
    "micro_f1",
    "macro_f1",
    "partial_f1",
    "accuracy",
    "exact_match",
    "rouge_1",
    "rouge_2",
    "rouge_l",
    "token_f1",
    "chrf",
    "invalid_rate",
    *RELEASED,
)

LOWER_IS_BETTER = frozenset({"invalid_rate"})

_BY_FORM: dict[str, tuple[str, ...]] = {
    "label": ("micro_f1", "macro_f1", "accuracy", "exact_match", "rouge_l"),
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
        kind: A key of `ecomgpt.eval.rows.KINDS`.
        form: A key of `ecomgpt.tasks.answers.FORMS`.
    """
    valid = _BY_KIND.get(kind, _BY_KIND["Generate"]) if form == "text" else _BY_FORM[form]
    return [*valid, "invalid_rate", *RELEASED]
