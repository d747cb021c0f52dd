"""Parts of an invented run directory, in a realistic shape: its manifest, environment, training log and answers."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

FAMILIES = (
    "answerability",
    "aspect_sentiment",
    "intent_classification",
    "named_entity_recognition",
    "product_matching",
    "query_generation",
    "title_generation",
)


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")


def write_predictions(folder: Path, task: str, rows: list[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "predictions" / f"{task}.jsonl").write_text(lines, "utf-8")


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
        "contamination": {"checked_against": "demo", "removed": 37},
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
        "input": [0, len(prompt)],
    }


HOSTILE_TITLE = "[red]x[/red] \x1b[31m\x07 <b>"
