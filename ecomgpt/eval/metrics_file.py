"""The parts of `metrics.json`, as the evaluation writes them and reports read them back. Imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

DIGITS = 6
RANKED_ACCURACY = "ranked_accuracy"
"""The share of rows whose likeliest candidate is right, beside the scores of generated answers."""
SIGNIFICANT = 0.05
"""A difference counts as a win or a loss where its p-value is below this."""


@dataclass(frozen=True)
class Score:
    """A value with its 95 % interval, fractions of one; NaN where something is not known.

    Attributes:
        note: Why there is no interval.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    note: str = ""

    @property
    def known(self) -> bool:
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        return self.known and math.isfinite(self.low) and math.isfinite(self.high)

    def as_json(self) -> dict[str, float | None]:
        """As files hold it: null for what is not known."""
        return rounded(value=self.value, low=self.low, high=self.high)

    @classmethod
    def from_json(cls, value: Any, note: str = "") -> Score:
        """From ``{"value", "low", "high"}``, or from a bare number as baselines have it."""
        parts = value if isinstance(value, Mapping) else {"value": value}
        value, low, high = (_finite(parts.get(key)) for key in ("value", "low", "high"))
        return cls(value, low, high, note)


@dataclass(frozen=True)
class Change:
    """How much better something scores than something else, fractions of one; NaN where something is not known.

    Attributes:
        value: The difference; positive is better.
        low, high: Its 95 % interval.
        p: Two-sided p-value of no difference.
        p_holm: The same, Holm-corrected over what was compared together.
        smallest: The smallest true difference that such a comparison finds in 80 of 100 cases (at the 5 % level).
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    p_holm: float = math.nan
    smallest: float = math.nan

    @property
    def verdict(self) -> str:
        """``win``, ``loss``, or ``tie`` where the two can't be told apart; by the corrected p-value if there is one."""
        p = self.p_holm if math.isfinite(self.p_holm) else self.p
        return "tie" if not p < SIGNIFICANT or self.value == 0 else "win" if self.value > 0 else "loss"

    @property
    def has_interval(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    def reversed(self) -> Change:
        """The other way round, for what is better the lower it is."""
        return replace(self, value=-self.value, low=-self.high, high=-self.low)

    def as_json(self) -> dict[str, float | None]:
        """As files hold it: null for what is not known."""
        return rounded(**vars(self))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Change:
        """Reads `as_json`, whatever of it is there."""
        return cls(*(_finite(value.get(field.name)) for field in fields(cls)))


@dataclass(frozen=True)
class TaskResult:
    """What one task scored, with what a reader must know of the task.

    Attributes:
        name: The task's.
        n: Rows.
        primary: The metric of record.
        metrics: Scores by metric, the metric of record first.
        title, language, family: As the task's declaration has them.
        published: The paper's points by metric; ``win``, ``tie`` and ``loss`` are its people's verdicts in percent.
        relation: A key of `ecomgpt.eval.trained.RELATIONS`; empty where the training data are unknown.
        wordings: The metric of record in each way of asking, the first as scored; empty where there was one.
    """

    name: str
    n: int
    primary: str
    metrics: dict[str, Score]
    title: str = ""
    language: str = ""
    family: str = ""
    published: dict[str, float] = field(default_factory=dict)
    relation: str = ""
    wordings: list[float] = field(default_factory=list)

    def score(self, metric: str = "") -> Score:
        """The score of ``metric``, or of the metric of record."""
        return self.metrics.get(metric or self.primary, Score(math.nan))

    def as_json(self) -> dict[str, Any]:
        """The task's entry in the file."""
        notes = {metric: score.note for metric, score in self.metrics.items() if score.note}
        return {
            "n": self.n,
            "primary": self.primary,
            "metrics": {metric: score.as_json() for metric, score in self.metrics.items()},
            "title": self.title,
            "language": self.language,
            "family": self.family,
            **({"published": self.published} if self.published else {}),
            **({"relation": self.relation} if self.relation else {}),
            **({"notes": notes} if notes else {}),
            **({"wordings": self.wordings} if self.wordings else {}),
        }

    @classmethod
    def from_json(cls, name: str, entry: Mapping[str, Any]) -> TaskResult:
        """Reads `as_json`; a title, a language and so on may be missing.

        Raises:
            TypeError, ValueError, KeyError, AttributeError: If the entry is something else.
        """
        metrics = {
            metric: Score.from_json(score, str((entry.get("notes") or {}).get(metric) or ""))
            for metric, score in entry["metrics"].items()
        }
        texts = {key: str(entry.get(key) or "") for key in ("language", "family", "relation")}
        return cls(
            name=name,
            n=int(entry["n"]),
            primary=str(entry.get("primary") or next(iter(metrics), "")),
            metrics=metrics,
            title=str(entry.get("title") or name),
            wordings=[float(value) for value in entry.get("wordings") or ()],
            published={key: float(value) for key, value in (entry.get("published") or {}).items()},
            **texts,
        )


def rounded(**numbers: float) -> dict[str, float | None]:
    """Numbers as files hold them, independent of the order of summation; None for what is not finite."""
    return {key: round(number, DIGITS) if math.isfinite(number) else None for key, number in numbers.items()}


def _finite(value: Any) -> float:
    """The number; NaN for null and for what is not finite."""
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else math.nan
