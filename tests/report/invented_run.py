"""An invented run directory with every file that a report reads, in a realistic shape."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

# name, title, language, family, rows, metric of record, untrained, trained, baseline
TASKS: list[tuple[str, str, str, str, int, str, float, float, float]] = [
    ("intent_en", "Customer intent", "en", "intent_classification", 240, "accuracy", 0.09, 0.71, 0.21),
    ("intent_zh", "客户意图 (customer intent)", "zh", "intent_classification", 240, "accuracy", 0.04, 0.64, 0.2),
    ("aspects", "Review aspects and their polarity", "en", "aspect_sentiment", 180, "micro_f1", 0.01, 0.43, 0.12),
    ("matching", "Same product?", "en", "product_matching", 200, "micro_f1", 0.48, 0.55, 0.5),
    ("attributes", "商品属性值抽取", "zh", "attribute_extraction", 160, "micro_f1", 0.0, 0.38, 0.05),
    ("titles", "Product title from attributes", "zh", "title_generation", 80, "rouge_l", 0.12, 0.58, 0.49),
    ("answerability", "Is the question answered?", "en", "answerability", 200, "accuracy", 0.52, 0.47, 0.55),
    (
        "fine_category",
        "Fine-grained product category",
        "zh",
        "product_classification",
        150,
        "micro_f1",
        0.01,
        0.17,
        0.02,
    ),
]
FAMILIES = sorted({task[3] for task in TASKS} | {"query_generation", "named_entity_recognition", "review_topic"})


def make_run(folder: Path, **changes: Any) -> Path:
    """Write a whole run into ``folder``; ``changes`` replace top-level keys of `metrics.json` (None leaves one out)."""
    for part in ("data", "predictions", "logs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    metrics = {key: value for key, value in (make_metrics() | changes).items() if value is not None}
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "data" / "manifest.json", make_manifest())
    write_json(folder / "environment.json", ENVIRONMENT)
    write_json(folder / "status.json", STATUS)
    (folder / "config.yaml").write_text("seed: 13\nmodel:\n  name: bloom_tiny\ndata:\n  name: full_cot\n", "utf-8")
    (folder / "logs" / "metrics.csv").write_text(make_log(), "utf-8")
    for name, *_ in TASKS:
        write_predictions(folder, name, make_predictions(name))
    return folder


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")


def write_predictions(folder: Path, task: str, rows: list[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "predictions" / f"{task}.jsonl").write_text(lines, "utf-8")


def score(value: float, n: int) -> dict[str, float]:
    half = 1.96 * math.sqrt(max(value * (1 - value), 0.002) / n)
    return {"value": value, "low": max(0.0, value - half), "high": min(1.0, value + half)}


def make_metrics() -> dict[str, Any]:
    arms: list[dict[str, Any]] = []
    for column in (7, 6):
        arm = {}
        for name, title, language, family, n, primary, *values in TASKS:
            value = values[column - 6]
            metrics = {primary: score(value, n), "exact_match": score(value * 0.8, n), "invalid_rate": score(0.02, n)}
            arm[name] = {
                "n": n,
                "metrics": metrics,
                "primary": primary,
                "language": language,
                "family": family,
                "title": title,
            }
        arms.append(arm)
    trained, untrained = arms
    trained["titles"]["metrics"]["released_rouge_l"] = score(0.02, 80)
    trained["titles"]["published"] = {"released_rouge_l": 0.01, "win": 66, "tie": 32, "loss": 2}
    baselines = {
        "majority": {task[0]: {task[5]: task[8]} for task in TASKS if task[5] != "rouge_l"},
        "random": {task[0]: {task[5]: task[8] * 0.6} for task in TASKS},
        "copy": {"titles": {"rouge_l": 0.49}},
    }
    training = {
        "steps": 300,
        "examples": 9600,
        "tokens": 1843200,
        "tokens_per_second": 21874.5,
        "final_loss": 1.0473,
        "peak_memory_bytes": 1_934_000_000,
        "seconds": 84.3,
    }
    return {
        "tasks": trained,
        "untrained": {"tasks": untrained, "averages": make_averages(6)},
        "baselines": baselines,
        "averages": make_averages(7) | {"cross_task": make_averages(7)["language/zh"]},
        "training": training,
        "settings": {"decoding": "greedy", "batch_size": 16, "precision": "32-true"},
    }


def make_averages(column: int) -> dict[str, Any]:
    groups = {
        "all": TASKS,
        "language/zh": [task for task in TASKS if task[2] == "zh"],
        "family/title_generation": [TASKS[5]],
    }
    return {
        group: {
            "tasks": [task[0] for task in tasks],
            "metrics": {
                "primary": score(sum(task[column] for task in tasks) / len(tasks), 170 * len(tasks)),
                "exact_match": score(0.3, 900),
            },
        }
        for group, tasks in groups.items()
    }


def make_manifest() -> dict[str, Any]:
    chance = random.Random("manifest")
    tasks = []
    for family in FAMILIES:
        for kind, label, operation, suffix in (
            ("raw", "golden", None, ""),
            ("atomic", "golden", "simplification", "_simplified"),
            ("atomic", "golden", "reversal", "_reversed"),
            ("atomic", "pseudo", "recombination", "_recombined"),
        ):
            if kind == "atomic" and chance.random() < 0.3:
                continue
            examples = chance.choice((800, 800, 640, 333))
            tasks.append(
                {
                    "name": family + suffix,
                    "source": "demo",
                    "language": "en",
                    "family": family,
                    "kind": kind,
                    "label": label,
                    "operation": operation,
                    "examples": examples,
                    "tokens": examples * 150,
                    "dropped": {"over_cap": chance.randrange(9000), "duplicate": chance.randrange(40)},
                    "truncated": chance.randrange(6),
                }
            )
    return {
        "fingerprint": "9f2c61d07be34a55",
        "examples": sum(task["examples"] for task in tasks),
        "tokens": sum(task["tokens"] for task in tasks),
        "tasks": tasks,
        "contamination": {"checked_against": ["demo"], "removed": 37},
    }


ENVIRONMENT = {
    "git_commit": "3695598d2a71",
    "command": "python -m ecomgpt name=first",
    "seed": 13,
    "python": "3.11.9",
    "packages": {"torch": "2.13.0", "transformers": "5.23.0", "ecomgpt": "0.1.0"},
    "cpu": "AMD EPYC",
    "cores": 2,
    "memory_bytes": 24_000_000_000,
    "gpus": [],
    "platform": "Linux-6.1-x86_64",
}
STATUS = {
    "state": "done",
    "stage": "report",
    "error": None,
    "started": "2025-01-01T10:00:00+00:00",
    "finished": "2025-01-01T10:02:31+00:00",
}


def make_log() -> str:
    chance = random.Random("log")
    lines = ["step,loss,tokens_per_second,learning_rate,grad_norm"]
    for step in range(5, 301, 5):
        loss = 1.0 + 7.3 * math.exp(-step / 45) + chance.gauss(0, 0.07)
        lines.append(f"{step},{loss:.4f},{'' if step == 5 else f'{21800 + chance.gauss(0, 600):.1f}'},{2e-5:.1e},")
    return "\n".join(lines) + "\n"


LABELS = ["return an item", "track an order", "退换货", "ask about a size"]


def make_predictions(name: str) -> list[dict[str, Any]]:
    chance = random.Random(name)
    rows = []
    for index in range(40):
        prompt = f"Classify the message.\nMessage: Hello, my parcel {index} 还没有到。\nCandidates: {', '.join(LABELS)}\nAnswer:"
        rows.append(
            prediction(
                name, f"{name}-{index:03d}", prompt, chance.choice(LABELS), chance.choice([*LABELS, "I am not sure"])
            )
        )
    return rows


def prediction(task: str, row: str, prompt: str, target: str, answer: str, form: str = "label") -> dict[str, Any]:
    return {
        "id": row,
        "task": task,
        "prompt": prompt,
        "target": target,
        "prediction": answer,
        "parsed": [answer],
        "valid": form == "text" or answer in LABELS,
        "cut_tokens": 0,
        "candidates": LABELS if form == "label" else [],
        "form": form,
        "kind": "CLS" if form == "label" else "Generate",
        "separator": ", ",
        "language": "en",
        "source": "demo",
        "input": [0, 5],
    }


HOSTILE_TITLE = "[red]x[/red] \x1b[31m\x07 <b>"
