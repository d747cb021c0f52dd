"""Do intervals hold the truth as often as they say, and do tests err as seldom and find as much? With known truths.

The benchmark's own simulation (`experiments/benchmarks/bench_statistics.py`) on the corners of its grid. Each share is
of a few hundred worlds, so that its bound is widened by three standard errors of that number.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ecomgpt.eval.metrics_file import Change
from ecomgpt.eval.statistics.paired import holm

pytestmark = pytest.mark.slow

WORLDS = 400
NOISE = 3 * (0.95 * 0.05 / WORLDS) ** 0.5


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[2] / "experiments" / "benchmarks" / "bench_statistics.py"
    spec = importlib.util.spec_from_file_location("bench_statistics", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("rows", [20, 250])
@pytest.mark.parametrize("interaction", [False, True])
@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.0), (3, 0.0), (3, 0.06), (3, 0.1), (5, 0.02)])
def test_differences(bench: ModuleType, rows: int, interaction: bool, seeds: int, spread: float) -> None:
    found = bench.cell(WORLDS, seeds, rows, spread, interaction)
    assert 0.93 - NOISE <= found.coverage <= 0.975 + NOISE
    assert found.false <= 0.07 + NOISE
    # The true error is known only to the simulation; a sixth of the power is what not knowing the seeds' part costs.
    assert found.power >= found.known - 0.17 - 2 * (0.25 / WORLDS) ** 0.5
    assert found.contradictions == 0


def test_scores(bench: ModuleType) -> None:
    for what, coverage in bench.scores(WORLDS):
        assert np.isnan(coverage) or 0.91 - NOISE <= coverage <= 0.985 + NOISE, what
        assert not np.isnan(coverage) or "macro F1" in what, what


def test_holm_holds_the_error_over_twelve_tasks() -> None:
    """Of families of twelve comparisons without any difference, some 5 % have a corrected p-value below 0.05."""
    chance = np.random.default_rng(3)
    wrong = 0
    for _ in range(2000):
        family = {str(task): Change(1.0, p=p) for task, p in enumerate(chance.random(12))}
        wrong += any(one.verdict == "win" for one in holm(family).values())
    assert 0.03 <= wrong / 2000 <= 0.06
