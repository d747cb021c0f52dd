"""Runs, and arms of several seeds, on the same rows: a hierarchical paired bootstrap over rows and seeds.

An arm is one configuration trained with k seeds. With ``m`` the metric, ``x[s, i]`` what row i adds to it under seed
s, and T tasks of ``n_t`` rows, an arm's score is the mean over tasks of the mean over seeds::

    M = 1/T sum_t 1/k sum_s m(sum_i x[s, i, t])

and two arms differ by ``D = M_second - M_first``. Resample b = 1..B draws, for every task, ``n_t`` rows with
replacement, the same ones for all arms and seeds (Koehn, 2004), and ``k - 1`` of the k seeds with replacement, the
same ones for all tasks, and for both arms where both were trained with the same seeds. Resampling rows and seeds
separately is Owen's (2007) pigeonhole bootstrap, which is never too narrow for crossed factors and slightly too wide
where most of the noise belongs to single answers. Drawing k - 1 of k makes the variance between seeds unbiased
(McCarthy and Snowden, 1985); k of k would lose a third of it with three seeds.

- One seed: the interval holds the middle 95 % of ``D_b``. The p-value shifts their distribution to a mean of zero:
  ``p = (1 + #{|D_b - mean D_b| >= |D|}) / (B + 1)``. What another seed would have given is not in it.
- Several seeds: two draws of three give too few different values for percentiles. The interval is
  ``D +- t(nu) SE`` with SE the standard deviation of ``D_b`` and Student's t for ``nu = SE^4 / sum_a (v_a^2 / (k_a -
  1))`` degrees of freedom (Welch and Satterthwaite), where ``v_a = s_a^2 / k_a`` is the part of the variance that lies
  between seeds: near k - 1 where the seeds disagree, near the normal distribution where they agree. Simulated coverage
  of the truth: 97 to 98 % where rows are most of the noise, 93 % with three seeds and 89 % with two where nearly all
  of it lies between seeds, which so few seeds can't tell well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json
from ecomgpt.eval.metrics.names import defaults, metric
from ecomgpt.eval.predictions import read_answers
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.statistics.bootstrap import draws, interval
from ecomgpt.runtime.directory import Run

SAMPLES = 10_000
SIGNIFICANT = 0.05
"""A difference counts as a win or a loss where its p-value is below this."""
NORMAL = 1e4
"""Degrees of freedom from which Student's t is normal to four digits."""
_GRID = 20_000  # Steps of the numeric integral below; its error stays under 1e-5.


class IntervalEstimate(NamedTuple):
    """A value with its 95 % interval and the two-sided p-value of its being zero."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher one run scored than another.

    Attributes:
        metric: Its name.
        first: The first run's value.
        second: The second run's.
        value: ``second - first``.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end.
        p: Two-sided p-value of no difference.
        p_holm: The same, Holm-corrected over the tasks that were compared together.
    """

    metric: str
    first: float
    second: float
    value: float
    low: float
    high: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Seeded:
    """One arm's score of a task, or of a mean over tasks, by seed.

    Attributes:
        seeds: Names of the seeds, each once.
        values: The scores, shape (seeds,).
        drawn: The same over resampled rows, shape (seeds, samples); equal columns of two arms stand for equal rows.
    """

    seeds: tuple[str, ...]
    values: np.ndarray
    drawn: np.ndarray


def seeded(answers: Sequence[Sequence[Answer]], name: str, samples: int = SAMPLES) -> list[tuple[float, np.ndarray]]:
    """Scores several runs on one task.

    Args:
        answers: Of every run; each holds the same rows in the same order.
        name: The metric.
        samples: Bootstrap resamples.

    Returns:
        For every run its score and the scores over resampled rows, shape (samples,).
    """
    first = answers[0]
    one = metric(name, first[0].row.kind)
    # All runs in one call, so that all count by the same names (the classes that occur).
    sums = one.update([answer for run in answers for answer in run]).reshape(len(answers), len(first), -1)
    found: list[list[np.ndarray]] = [[] for _ in answers]
    for weights in draws(len(first), samples, first[0].row.task):
        for run, of_run in zip(found, sums, strict=True):
            run.append(one.compute(weights @ of_run))
    return [(float(one.compute(of_run.sum(0))), np.concatenate(run)) for of_run, run in zip(sums, found, strict=True)]


def aligned(runs: Mapping[str, Sequence[Answer]]) -> dict[str, list[Answer]]:
    """The runs' answers in the order of the first run's rows.

    Raises:
        UserError: If they answered different rows, or other questions under the same ids.
    """
    first = next(iter(runs.values()))
    found = {}
    for name, answers in runs.items():
        by_id = {answer.row.id: answer for answer in answers}
        if len(answers) != len(first) or any(answer.row.id not in by_id for answer in first):
            sizes = " and ".join(map(str, dict.fromkeys(map(len, runs.values()))))
            raise UserError(
                f"{first[0].row.task if first else 'a task'}: the runs answered different rows ({sizes} of them); "
                "evaluate all with the same eval settings"
            )
        found[name] = [by_id[answer.row.id] for answer in first]
        for one, other in zip(first, found[name], strict=True):
            if one.row.target != other.row.target:
                raise UserError(f"{one.row.id}: the runs had different targets; they read different data")
            if one.row.prompt.text != other.row.prompt.text:
                raise UserError(
                    f"{one.row.id}: the runs were asked differently; evaluate all with the same eval settings"
                )
    return found


def mean(tasks: Sequence[Seeded]) -> Seeded:
    """The mean over tasks, whose rows were drawn independently of each other; all have the same seeds."""
    return Seeded(
        tasks[0].seeds,
        np.mean([task.values for task in tasks], axis=0),
        np.mean([task.drawn for task in tasks], axis=0),
    )


def estimate(arm: Seeded) -> IntervalEstimate:
    """An arm's score over rows and seeds."""
    return _judged([arm], float(arm.values.mean()), _over_seeds(arm, "first"))


def difference(second: Seeded, first: Seeded) -> IntervalEstimate:
    """How much higher ``second`` scores; paired by row, and by seed where both arms have the same ones."""
    if set(second.seeds) == set(first.seeds):
        order = [first.seeds.index(seed) for seed in second.seeds]
        return estimate(Seeded(second.seeds, second.values - first.values[order], second.drawn - first.drawn[order]))
    drawn = _over_seeds(second, "second") - _over_seeds(first, "first")
    return _judged([second, first], float(second.values.mean() - first.values.mean()), drawn)


def _over_seeds(arm: Seeded, key: str) -> np.ndarray:
    """Means over resampled seeds, shape (samples,)."""
    seeds, samples = arm.drawn.shape
    if seeds == 1:
        return arm.drawn[0]
    chance = np.random.default_rng([seeds, len(key)])
    picks = chance.integers(seeds, size=(seeds - 1, samples))
    return arm.drawn[picks, np.arange(samples)].mean(axis=0)


def _judged(arms: Sequence[Seeded], value: float, drawn: np.ndarray) -> IntervalEstimate:
    if all(len(arm.seeds) == 1 for arm in arms):
        low, high = interval(drawn)
        # A tiny tolerance, because equal differences come out of different sums.
        extreme = np.abs(drawn - drawn.mean()) >= abs(value) - 1e-12
        return IntervalEstimate(value, low, high, (1 + int(extreme.sum())) / (len(drawn) + 1))
    error = float(drawn.std())
    if error < 1e-12:  # Every resample says the same.
        return IntervalEstimate(value, value, value, 1.0 if abs(value) < 1e-12 else 1 / (len(drawn) + 1))
    parts = [(float(arm.values.var(ddof=1)) / len(arm.seeds), len(arm.seeds) - 1) for arm in arms if len(arm.seeds) > 1]
    between = sum(part * part / freedom for part, freedom in parts)
    freedom = max(error**4 / between, min(freedom for _, freedom in parts)) if between else np.inf
    freedom = min(freedom, NORMAL)
    angles, tails = _student(freedom)
    reach = float(np.sqrt(freedom) * np.tan(np.interp(0.95, tails, angles))) * error
    p = 1 - float(np.interp(np.arctan(abs(value) / error / np.sqrt(freedom)), angles, tails))
    return IntervalEstimate(value, value - reach, value + reach, max(p, 1 / (len(drawn) + 1)))


def _student(freedom: float) -> tuple[np.ndarray, np.ndarray]:
    """Student's t as ``t = sqrt(nu) tan(angle)``, whose density is proportional to ``cos(angle) ** (nu - 1)``.

    Returns:
        Angles, and the probability that |t| is smaller, both ascending.
    """
    angles = np.linspace(0, min(np.pi / 2, 40 / np.sqrt(freedom)), _GRID + 1)
    density = np.cos((angles[1:] + angles[:-1]) / 2) ** (freedom - 1)
    tails = np.concatenate([[0.0], np.cumsum(density)])
    return angles, tails / tails[-1]


def paired(first: Sequence[Answer], second: Sequence[Answer], name: str, samples: int = SAMPLES) -> Difference:
    """Compares two runs on one task, one seed each. ``p_holm`` equals ``p`` until `holm` is applied.

    Args:
        first: Answers of the first run.
        second: Answers of the second run, to the same rows in any order.
        name: The metric.
        samples: Bootstrap resamples; the smallest p-value is ``1 / (samples + 1)``.

    Raises:
        UserError: If the runs answered different rows, or other questions under the same ids.
    """
    runs = aligned({"first": first, "second": second})
    scored = seeded([runs["first"], runs["second"]], name, samples)
    one, other = (Seeded(("",), np.array([value]), drawn[None]) for value, drawn in scored)
    found = difference(other, one)
    return Difference(name, float(one.values[0]), float(other.values[0]), *found, p_holm=found.p)


def compare(
    first: Mapping[str, Sequence[Answer]],
    second: Mapping[str, Sequence[Answer]],
    metrics: Mapping[str, str] | None = None,
    samples: int = SAMPLES,
) -> dict[str, Difference]:
    """Compares two runs on all tasks that both have.

    Args:
        first: Answers by task.
        second: Answers by task.
        metrics: The metric of each task; None takes the one that best fits kind and form.
        samples: Bootstrap resamples.
    """
    found = {}
    for task in first:
        if task in second:
            row = first[task][0].row
            name = metrics[task] if metrics else defaults(row.kind, row.form)[0]
            found[task] = paired(first[task], second[task], name, samples)
    return holm(found)


def between(run: Run, other: Run) -> dict[str, Difference]:
    """How ``run`` differs from ``other`` on the tasks that both answered, each by the run's metric of record.

    Raises:
        UserError: If they have no task in common, or answered different rows of one.
    """
    tasks, others = (read_json(one.metrics_file).get("tasks", {}) for one in (run, other))
    shared = [name for name in tasks if name in others]
    if not shared:
        raise UserError(
            f"'{run.path}' and '{other.path}' have no evaluated task in common; evaluate both with one suite"
        )
    first, second = ({name: read_answers(one.predictions / f"{name}.jsonl") for name in shared} for one in (other, run))
    return compare(first, second, {name: tasks[name]["primary"] for name in shared})


def holm(differences: Mapping[str, Difference]) -> dict[str, Difference]:
    """Differences with their p-values corrected over all that are given."""
    ps = corrected({task: one.p for task, one in differences.items()})
    return {task: replace(one, p_holm=ps[task]) for task, one in differences.items()}


def corrected(ps: Mapping[str, float]) -> dict[str, float]:
    """Holm (1979): the i-th smallest of m p-values times ``m - i + 1``, never below an earlier one, at most 1."""
    found: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(ps, key=lambda name: ps[name])):
        highest = max(highest, min(1.0, ps[name] * (len(ps) - rank)))
        found[name] = highest
    return found
