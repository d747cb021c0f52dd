"""Do intervals hold the truth as often as they say, and do tests find what is there? Simulated, with known truths.

    just bench-statistics [worlds=400]

Every world is a study as the project sees one: two arms with k seeds each, asked T tasks of n rows, through the very
functions that reports use. A row has a difficulty that both arms share; ``seed spread`` is the standard deviation of
what a seed adds to an arm's accuracy; with ``row by arm`` the arms differ in which rows they find hard. *Power* is the
share of worlds in which a true gain of 8 points is found, beside the share in which a normal test that knew the true
standard error would find it. Writes ``statistics.md`` and ``statistics.png`` beside this file.
"""

import itertools
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecomgpt.eval.metrics.base import macro_f1, ratio
from ecomgpt.eval.metrics_file import Change
from ecomgpt.eval.statistics.counts import Counts
from ecomgpt.eval.statistics.uncertainty import Arm, difference, score

HERE = Path(__file__).resolve().parent
GAIN = 0.08
SPREADS, SEEDS, ROWS = (0.0, 0.02, 0.06, 0.1), (1, 2, 3, 5), (20, 60, 250)
TASKS = 3


class Cell(NamedTuple):
    """One line of the grid of comparisons.

    Attributes:
        coverage: Share of worlds whose interval holds the true difference of none.
        false: Share of these worlds with p below 0.05.
        power: Share of worlds with a gain in which p is below 0.05.
        known: The same for a normal test that knows the true standard error.
        contradictions: Worlds in which interval and p-value say different things.
    """

    spread: float
    interaction: bool
    seeds: int
    rows: int
    coverage: float
    false: float
    power: float
    known: float
    contradictions: int


def share(sums: np.ndarray) -> np.ndarray:
    return ratio(sums[..., 0], sums[..., 1])


def task(right: np.ndarray, texts: Sequence[str]) -> Counts:
    """A task's counts from 0 or 1 for each row."""
    return Counts(tuple(texts), np.column_stack([right, np.ones(len(right))]), share, len(right))


def study(
    chance: np.random.Generator, seeds: int, rows: int, spread: float, interaction: bool, gain: float
) -> tuple[Arm, Arm]:
    """Two arms of one world, the second one better by ``gain``."""
    hard = np.clip(chance.normal(0.5, 0.3, (TASKS, rows)), 0.02, 0.98)
    arms = []
    for ability in (0.0, gain):
        own = hard + (chance.normal(0, 0.25, hard.shape) if interaction else 0)
        runs = [np.clip(own + chance.normal(0, spread) + ability, 0, 1) for _ in range(seeds)]
        answered = [(chance.random(hard.shape) < run).astype(float) for run in runs]
        arms.append([[task(run[t], [f"{t}/{row}" for row in range(rows)]) for t in range(TASKS)] for run in answered])
    return arms[0], arms[1]


def _world(chance: np.random.Generator, seeds: int, rows: int, spread: float, interaction: bool, gain: float) -> Change:
    first, second = study(chance, seeds, rows, spread, interaction, gain)
    return difference(second, first)


def cell(worlds: int, seeds: int, rows: int, spread: float, interaction: bool) -> Cell:
    """Simulates one cell of the grid, with and without a gain."""
    chance = np.random.default_rng([seeds, rows, int(100 * spread), interaction])
    equal, better = (
        [_world(chance, seeds, rows, spread, interaction, gain) for _ in range(worlds)] for gain in (0.0, GAIN)
    )
    error = float(np.std([one.value for one in equal]))
    return Cell(
        spread,
        interaction,
        seeds,
        rows,
        coverage=float(np.mean([one.low <= 0 <= one.high for one in equal])),
        false=float(np.mean([one.p < 0.05 for one in equal])),
        power=float(np.mean([one.p < 0.05 for one in better])),
        known=float(np.mean([abs(one.value) > 1.96 * error for one in better])),
        contradictions=sum((one.low <= 0 <= one.high) == (one.p < 0.05) for one in [*equal, *better]),
    )


def cells(worlds: int) -> Iterator[Cell]:
    """The grid; what a seed adds can't be seen with one seed, so there it is zero."""
    for spread, interaction, seeds, rows in itertools.product(SPREADS, (False, True), SEEDS, ROWS):
        if seeds > 1 or spread == 0:
            yield cell(worlds, seeds, rows, spread, interaction)


def coverage(worlds: int, draw: Callable[[np.random.Generator], Sequence[Counts]], truth: float, key: int) -> float:
    """Share of worlds whose interval of one run's score holds the truth; NaN where there is no interval."""
    chance = np.random.default_rng(key)
    found = [score([draw(chance)]) for _ in range(worlds)]
    known = [one for one in found if one.has_interval]
    return float(np.mean([one.low <= truth <= one.high for one in known])) if len(known) > worlds / 2 else np.nan


def shared_texts(chance: np.random.Generator, rows: int, tasks: int, correlation: float) -> list[Counts]:
    """Tasks on the same texts, whose answers correlate: a text's difficulty is shared, right half the time."""
    common = chance.random(rows) < 0.5
    texts = [str(row) for row in range(rows)]
    found = []
    for _ in range(tasks):
        own = chance.random(rows) < 0.5
        found.append(task(np.where(chance.random(rows) < correlation**0.5, common, own).astype(float), texts))
    return found


def edge(chance: np.random.Generator, rows: int, accuracy: float) -> list[Counts]:
    return [task((chance.random(rows) < accuracy).astype(float), [str(row) for row in range(rows)])]


def spans(chance: np.random.Generator, rows: int) -> list[Counts]:
    """Micro F1 of 1 to 4 gold terms a row, each found with chance 0.6, and a wrong one with chance 0.5."""
    gold = chance.integers(1, 5, rows)
    hits = chance.binomial(gold, 0.6)
    sums = np.column_stack([hits, hits + chance.binomial(1, 0.5, rows), gold]).astype(float)
    return [Counts(tuple(map(str, range(rows))), sums, lambda s: ratio(2 * s[..., 0], s[..., 1] + s[..., 2]), rows)]


SPANS_TRUTH = 2 * 0.6 * 2.5 / (0.6 * 2.5 + 0.5 + 2.5)


def classes(chance: np.random.Generator, rows: int, names: int, right: float = 0.6) -> list[Counts]:
    """Macro F1 over classes as frequent as Zipf's words; a wrong answer names a random class."""
    weights = 1 / np.arange(1, names + 1)
    gold = chance.choice(names, rows, p=weights / weights.sum())
    given = np.where(chance.random(rows) < right, gold, chance.integers(0, names, rows))
    sums = np.zeros((rows, names, 3))
    sums[np.arange(rows), given, 1] += 1
    sums[np.arange(rows), gold, 2] += 1
    sums[np.arange(rows), gold, 0] += gold == given
    rare = (np.bincount(gold, minlength=names)[np.unique(gold)] < 5).mean() > 0.1
    note = "rare classes" if rare else ""
    return [Counts(tuple(map(str, range(rows))), sums.reshape(rows, -1), macro_f1, rows, note)]


def classes_truth(names: int) -> float:
    """By one very large draw."""
    return classes(np.random.default_rng(1), 400_000, names)[0].value


def scores(worlds: int) -> list[tuple[str, float]]:
    """(what, coverage) of intervals of single scores."""
    found = []
    for rows, accuracy in ((8, 0.5), (8, 0.05), (20, 0.97), (60, 0.9), (250, 0.99), (250, 0.5)):
        what = f"accuracy {accuracy:g} on {rows} rows"
        found.append((what, coverage(worlds, partial(edge, rows=rows, accuracy=accuracy), accuracy, rows)))
    for tasks, correlation in ((2, 0.5), (2, 0.77), (5, 0.5), (5, 0.77)):
        what = f"mean over {tasks} tasks on the same 60 texts, correlation {correlation}"
        draw = partial(shared_texts, rows=60, tasks=tasks, correlation=correlation)
        found.append((what, coverage(worlds, draw, 0.5, tasks)))
    for rows in (20, 60, 250):
        found.append(
            (f"micro F1 of spans on {rows} rows", coverage(worlds, partial(spans, rows=rows), SPANS_TRUTH, rows))
        )
    for names, rows in ((5, 60), (5, 250), (20, 250), (20, 1000), (200, 250)):
        what = f"macro F1, {names} classes as frequent as Zipf's words, {rows} rows"
        draw = partial(classes, rows=rows, names=names)
        found.append((what, coverage(worlds, draw, classes_truth(names), names)))
    return found


def table(grid: Sequence[Cell]) -> Iterator[str]:
    yield "| seed spread | row by arm | seeds | rows | coverage | type I | power | power with the true error |"
    yield "| -: | - | -: | -: | -: | -: | -: | -: |"
    for one in grid:
        yield (
            f"| {100 * one.spread:g} | {'strong' if one.interaction else 'none'} | {one.seeds} | {TASKS} x {one.rows} "
            f"| {one.coverage:.3f} | {one.false:.3f} | {one.power:.2f} | {one.known:.2f} |"
        )


def summary(grid: Sequence[Cell]) -> Iterator[str]:
    yield "| seeds | coverage | type I | largest loss of power against the true error |"
    yield "| -: | - | - | -: |"
    for seeds in SEEDS:
        some = [one for one in grid if one.seeds == seeds]
        low, high = (f(one.coverage for one in some) for f in (min, max))
        least, most = (f(one.false for one in some) for f in (min, max))
        loss = max(one.known - one.power for one in some)
        yield f"| {seeds} | {low:.3f} to {high:.3f} | {least:.3f} to {most:.3f} | {100 * loss:.0f} points |"


def page(grid: Sequence[Cell], single: Sequence[tuple[str, float]], worlds: int, seconds: float) -> str:
    commit = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout
    noise = 1.96 * (0.95 * 0.05 / worlds) ** 0.5
    contradictions = sum(one.contradictions for one in grid)
    return "\n".join(
        [
            "# Coverage, type I error and power, simulated",
            "",
            f"`just bench-statistics worlds={worlds}`, {seconds / 60:.0f} min on {os.cpu_count()} cores "
            f"({platform.machine()}), {date.today()}, commit `{commit.strip()}`. {worlds} worlds a line: "
            f"0.95 is uncertain by ±{noise:.3f}. What is simulated: `bench_statistics.py`; what is estimated: "
            "[docs/statistics.md](../../docs/statistics.md).",
            "",
            "## Two arms",
            "",
            "Intervals of a difference of none (95 % should hold it), p-values below 0.05 for it (type I error; at "
            f"most 5 % should be), and p-values below 0.05 for a true gain of {100 * GAIN:.0f} points (power).",
            "",
            *summary(grid),
            "",
            f"Interval and p-value contradict each other in {contradictions} of {2 * worlds * len(grid):,} worlds.",
            "",
            "![coverage and power](statistics.png)",
            "",
            *table(grid),
            "",
            "## One run",
            "",
            "| score | coverage of its interval |",
            "| - | -: |",
            *(f"| {what} | {'no interval' if np.isnan(value) else f'{value:.3f}'} |" for what, value in single),
            "",
        ]
    )


def picture(grid: Sequence[Cell], path: Path) -> None:
    """Coverage by seeds and spread, and power beside that of the true error."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    colours = dict(zip(SEEDS, ("#7a7a7a", "#d55e00", "#0072b2", "#009e73"), strict=True))
    for place, one in enumerate(grid):
        left.plot(
            100 * one.spread + (one.seeds - 3) * 0.2, one.coverage, "o", color=colours[one.seeds], ms=4, alpha=0.8
        )
        right.plot(one.known, one.power, "o", color=colours[one.seeds], ms=4, alpha=0.8, label="" if place else None)
    left.axhspan(0.93, 0.97, color="#0000000f")
    left.axhline(0.95, color="black", lw=0.8)
    left.set(xlabel="seed spread (points)", ylabel="coverage of 95 % intervals", ylim=(0.85, 1.0))
    right.plot([0, 1], [0, 1], color="black", lw=0.8)
    right.set(xlabel="power of a test that knows the true error", ylabel="power", xlim=(0, 1), ylim=(0, 1))
    handles = [right.plot([], [], "o", color=colour, ms=4)[0] for colour in colours.values()]
    right.legend(
        handles, [f"{seeds} seed{'s' if seeds > 1 else ''}" for seeds in SEEDS], frameon=False, loc="upper left"
    )
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main(arguments: Sequence[str]) -> None:
    worlds = 400
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name != "worlds" or not value.isdigit() or int(value) < 20:
            raise SystemExit(f"unknown argument '{argument}'; there is worlds=<number from 20>")
        worlds = int(value)
    start = time.monotonic()
    grid = []
    for one in cells(worlds):
        grid.append(one)
        print(*table([one]), sep="\n", flush=True) if len(grid) == 1 else print([*table([one])][-1], flush=True)
    single = scores(5 * worlds)
    picture(grid, HERE / "statistics.png")
    (HERE / "statistics.md").write_text(page(grid, single, worlds, time.monotonic() - start), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
