"""An invented sweep: arms of different strength, several seeds, scores computed by the project's own metrics."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from invented_run import ENVIRONMENT, STATUS, make_log, make_manifest, prediction, write_json, write_predictions

from ecomgpt.eval.predictions import read_answers
from ecomgpt.eval.statistics.counts import counts
from ecomgpt.eval.statistics.uncertainty import score

LABELS = ["return", "track", "退换货", "size"]
# name, title, language, family, metric, relation, published
TASKS: list[tuple[str, str, str, str, str, str, dict[str, float]]] = [
    ("intent_en", "Customer intent", "en", "intent_classification", "micro_f1", "cross_task", {}),
    ("intent_zh", "客户意图", "zh", "intent_classification", "micro_f1", "cross_task", {}),
    (
        "titles",
        "Product title (Chinese)",
        "zh",
        "title_generation",
        "rouge_l",
        "cross_task",
        {"released_rouge_l": 0.01, "win": 66, "tie": 32, "loss": 2},
    ),
    ("matching", "Same product?", "en", "product_matching", "micro_f1", "in_domain", {}),
]
ARMS = {"no_atomic": 0.45, "full_cot": 0.7}


def make_sweep(
    folder: Path,
    arms: Mapping[str, float] = ARMS,
    seeds: Sequence[int] = (1, 2, 3),
    rows: int = 60,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Writes a finished sweep: ``arms`` maps names to shares of right answers; ``settings`` adds configuration keys."""
    jobs = []
    for arm, right in arms.items():
        for seed in seeds:
            name = f"data-{arm}_seed-{seed}"
            make_member(folder / name, arm, seed, right, rows, (settings or {}).get(arm, {}))
            jobs.append({"name": name, "overrides": [f"data={arm}", f"seed={seed}"], "state": "done", "error": None})
    write_json(
        folder / "sweep.json",
        {"command": "python -m ecomgpt --multirun data=no_atomic,full_cot seed=1,2,3 name=abl", "jobs": jobs},
    )
    return folder


def make_run(folder: Path, **changes: Any) -> Path:
    """Writes one finished run; ``changes`` replace top-level keys of `metrics.json` (None leaves one out)."""
    make_member(folder, "full_cot", 13, 0.7)
    metrics = json.loads((folder / "metrics.json").read_text("utf-8")) | changes
    write_json(folder / "metrics.json", {key: value for key, value in metrics.items() if value is not None})
    return folder


def make_member(
    folder: Path, arm: str, seed: int, right: float, rows: int = 60, settings: Mapping[str, Any] | None = None
) -> Path:
    """Writes one finished run."""
    for part in ("data", "predictions/untrained", "logs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    parts: dict[str, dict[str, Any]] = {"trained": {}, "untrained": {}}
    for name, title, language, family, primary, relation, published in TASKS:
        for which, share, key in (("trained", right, f"{arm}-{seed}"), ("untrained", 0.2, "same")):
            place = "predictions" if which == "trained" else "predictions/untrained"
            write_predictions(
                folder, f"{'' if which == 'trained' else 'untrained/'}{name}", answers(name, share, key, rows)
            )
            entry = scored(folder / place / f"{name}.jsonl", primary)
            entry |= {
                "title": title,
                "language": language,
                "family": family,
                **({"published": published} if published else {}),
            }
            parts[which][name] = entry | ({"relation": relation} if which == "trained" else {})
    training = {
        "steps": 300,
        "examples": 9600,
        "tokens": 1_843_200,
        "tokens_per_second": 21874.5,
        "final_loss": 1.0473,
        "peak_memory_bytes": 1_934_000_000,
        "seconds": 84.3,
    }
    baselines = {"constant": {task[0]: {task[4]: 0.27} for task in TASKS}}
    write_json(
        folder / "metrics.json",
        {
            "tasks": parts["trained"],
            "untrained": {"tasks": parts["untrained"], "averages": {}},
            "averages": {},
            "baselines": baselines,
            "training": training,
            "settings": {"decoding": "generate"},
        },
    )
    write_json(folder / "data" / "manifest.json", make_manifest())
    write_json(
        folder / "environment.json",
        ENVIRONMENT | {"command": f"python -m ecomgpt data={arm} seed={seed}", "seed": seed},
    )
    write_json(folder / "status.json", STATUS)
    write_json(folder / "overrides.json", [f"data={arm}", f"seed={seed}"])
    config = {
        "seed": seed,
        "name": folder.name,
        "model": {"name": "bloom_tiny", "hidden_size": 192},
        "paths": {"output": str(folder.parent)},
        "data": {"name": arm, "kinds": ["raw"] if arm == "no_atomic" else ["raw", "atomic"]},
        **(settings or {}),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    (folder / "logs" / "metrics.csv").write_text(make_log(), "utf-8")
    return folder


def answers(task: str, right: float, key: str, rows: int) -> list[dict[str, Any]]:
    """Rows of one task; the questions and targets depend on the task alone."""
    target, chance = random.Random(task), random.Random(f"{task}-{key}")
    found = []
    for at in range(rows):
        gold = target.choice(LABELS)
        given = gold if chance.random() < right else chance.choice(LABELS)
        text = task == "titles"
        gold, given = (f"红色 棉质 {gold} 连衣裙 {at}", f"红色 {given} 连衣裙 {at}") if text else (gold, given)
        found.append(
            prediction(
                task, f"{task}-{at}", f"Message {at}: {', '.join(LABELS)}", gold, given, "text" if text else "label"
            )
            | {"candidates": [] if text else LABELS, "valid": True}
        )
    return found


def scored(path: Path, primary: str) -> dict[str, Any]:
    """What `metrics.json` says of a file of answers."""
    given = read_answers(path)
    names = (primary, "exact_match", "invalid_rate", "released_rouge_l")
    metrics = {name: score([counts([given], name)]).as_json() for name in names}
    return {"n": len(given), "primary": primary, "metrics": metrics}
