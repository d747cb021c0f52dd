"""Computes a study's differences again from its ``counts.csv.gz``, with today's statistics and without any text.

    python experiments/results/recompute.py <folder with counts.csv.gz and comparison.json>

Prints every difference to the reference with its interval and p-value, and how far the numbers in ``comparison.json``
are from them.
"""

import csv
import gzip
import json
import sys
from pathlib import Path

import numpy as np

from ecomgpt.eval.metrics.names import LOWER_IS_BETTER, metric
from ecomgpt.eval.metrics_file import Change
from ecomgpt.eval.statistics.counts import Counts
from ecomgpt.eval.statistics.uncertainty import difference

Counted = dict[str, dict[str, dict[str, Counts]]]
"""By task, arm and seed."""


def read(folder: Path) -> Counted:
    """Reads ``counts.csv.gz``."""
    lines: dict[tuple[str, ...], list[tuple[str, list[float]]]] = {}
    with gzip.open(folder / "counts.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = tuple(row[name] for name in ("task", "arm", "seed", "metric", "kind", "rows"))
            lines.setdefault(key, []).append((row["text"], [float(number) for number in row["sums"].split()]))
    found: Counted = {}
    for (task, arm, seed, name, kind, rows), texts in lines.items():
        sums = np.array([numbers for _, numbers in texts])
        one = Counts(tuple(text for text, _ in texts), sums, metric(name, kind).compute, int(rows), kind=kind)
        found.setdefault(task, {}).setdefault(arm, {})[seed] = one
    return found


def change(counted: Counted, tasks: list[str], arm: str, reference: str) -> Change:
    """An arm's difference to the reference on the mean over some tasks."""
    second, first = (
        [[counted[task][name][seed] for task in tasks] for seed in counted[tasks[0]][name]] for name in (arm, reference)
    )
    return difference(second, first)


def main(folder: str) -> None:
    """Prints the differences of all tasks and groups."""
    counted, stored = read(Path(folder)), json.loads((Path(folder) / "comparison.json").read_text("utf-8"))
    furthest = 0.0
    for part in ("groups", "tasks"):
        for name, one in stored[part].items():
            for arm, known in one["changes"].items():
                found = change(counted, one["tasks"], arm, stored["reference"]).as_json()
                if one["metric"] in LOWER_IS_BETTER:
                    found = change(counted, one["tasks"], arm, stored["reference"]).reversed().as_json()
                pairs = [(found[key], known[key]) for key in ("value", "low", "high", "p")]
                furthest = max(
                    [furthest, *(abs(new - old) for new, old in pairs if new is not None and old is not None)]
                )
                value, low, high, p = (float("nan") if new is None else new for new, _ in pairs)
                print(f"{name}: {arm} {100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] p {p:.3f}")
    print(f"Furthest from comparison.json: {furthest:.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
