"""Runs the default command and writes this folder's table and figure from what it left behind.

    python experiments/results/demo/make.py <folder for the run>

A finished run in that folder is taken as it is.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NAME = "first"


def main(folder: str) -> None:
    """Runs where need be, and writes ``README.md`` and ``scores.png``."""
    run = Path(folder).absolute() / NAME
    if not (run / "report.html").is_file():
        command = [sys.executable, "-m", "ecomgpt", f"paths.output={run.parent}", f"name={NAME}"]
        subprocess.run(command, cwd=HERE.parents[2], check=True)
    metrics, environment = (json.loads((run / f"{name}.json").read_text()) for name in ("metrics", "environment"))
    (HERE / "README.md").write_text(page(metrics, environment), encoding="utf-8")
    shutil.copy(run / "figures" / "scores.png", HERE / "scores.png")


def page(metrics: dict[str, Any], environment: dict[str, Any]) -> str:
    """The table with how it came about."""
    training, seconds = metrics["training"], round(metrics["training"]["seconds"])
    versions = ", ".join(f"{name} {environment['packages'][name]}" for name in ("torch", "transformers", "lightning"))
    lines = [
        "# The default run on the demo store",
        "",
        "Each task by its metric of record, in points. `python experiments/results/demo/make.py <folder>`: "
        f"{training['steps']:,} steps, "
        f"{training['tokens']:,} tokens, seed {environment['seed']}, trained in {seconds // 60} min {seconds % 60} s "
        f"on {environment['cores']} cores ({environment['cpu']}); commit `{(environment['git_commit'] or '?')[:10]}`; "
        f"{versions}.",
        "",
        "| task | relation to training | rows | metric | needs no model | untrained | trained, 95 % | invalid |",
        "| - | - | -: | - | -: | -: | -: | -: |",
    ]
    for name, task in metrics["tasks"].items():
        metric = task["primary"]
        score = task["metrics"][metric]
        before = metrics["untrained"]["tasks"][name]["metrics"][metric]["value"]
        best = max(values[name][metric] for values in metrics["baselines"].values())
        value, low, high = (f"{100 * score[key]:.1f}" for key in ("value", "low", "high"))
        lines.append(
            f"| {task['title']} ({task['language']}) | {task['relation'].replace('_', ' ')} | {task['n']} "
            f"| {metric.replace('_', ' ')} | {100 * best:.1f} | {100 * before:.1f} | **{value}** [{low}, {high}] "
            f"| {100 * task['metrics']['invalid_rate']['value']:.1f} |"
        )
    return "\n".join([*lines, "", "![scores](scores.png)", ""])


if __name__ == "__main__":
    main(*sys.argv[1:])
