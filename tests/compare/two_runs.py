"""Two invented runs on the same rows, as job=compare reads them: English, Chinese, equal answers, and what a hostile
model would write."""

from __future__ import annotations

import random
from pathlib import Path

from ecomgpt.common.jsonl import encode_line
from ecomgpt.eval.predictions import to_json
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.tasks.prompt import Prompt

LABELS = ("return an item", "track an order", "cancel an order")
HOSTILE = (
    "<script>document.title='owned';fetch('//evil.example')</script><img src=x onerror=\"document.title='owned'\">",
    "</div></main><form action=/x><button data-keys=1>here</button></form><style>*{display:none}</style>",
    "\u202eright to left override\u202c and \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 "
    "{{ 7 * 7 }} {% raw %}",
    "bell\x07 null\x00 escape\x1b[31m return\rtab\tend \ud800 \u2028next",
    "long " * 200_000,
    "x" * 30_000,
)


def row(task: str, number: int, prompt: str, target: str, **values: object) -> EvalRow:
    """A question whose whole text is its input."""
    return EvalRow(id=f"{task}-{number:03d}", task=task, prompt=Prompt("", prompt, ""), target=target, **values)


def questions(rows: int) -> dict[str, list[EvalRow]]:
    """Rows by task."""
    english = [
        row(
            "intent",
            number,
            f"What does the customer want?\nMessage: Where is parcel {number}?\nOne of: {', '.join(LABELS)}",
            LABELS[1],
            form="label",
            kind="CLS",
            candidates=LABELS,
        )
        for number in range(rows)
    ]
    chinese = [
        row(
            "titles",
            number,
            f"根据属性写出商品标题。\n属性：颜色：红色，型号：{number}",
            f"红色连衣裙{number}",
            language="zh",
        )
        for number in range(rows)
    ]
    return {"intent": english, "titles": chinese}


def make(folder: Path, answers: dict[str, list[Answer]]) -> Path:
    """A run directory with nothing but what job=compare needs."""
    (folder / "predictions").mkdir(parents=True)
    (folder / "config.yaml").write_text("job: {name: evaluate}\n")
    for task, some in answers.items():
        lines = b"".join(encode_line(to_json(one)) for one in some)
        (folder / "predictions" / f"{task}.jsonl").write_bytes(lines)
    return folder


def two_runs(folder: Path, rows: int = 6, hostile: bool = False) -> tuple[Path, Path]:
    """``good`` answers right, ``bad`` wrong, and every third row both the same."""
    chance = random.Random("answers")
    asked = questions(rows)
    good = {task: [Answer(one, one.target) for one in some] for task, some in asked.items()}
    bad = {
        task: [
            Answer(one, one.target if number % 3 == 2 else f"wrong {chance.randrange(100)}")
            for number, one in enumerate(some)
        ]
        for task, some in asked.items()
    }
    if hostile:
        nasty = [row("nasty", number, f"{text[:300]} ?", "a & b", form="text") for number, text in enumerate(HOSTILE)]
        good["nasty"] = [Answer(one, text) for one, text in zip(nasty, HOSTILE, strict=True)]
        bad["nasty"] = [Answer(one, "") for one in nasty]
    return make(folder / "good", good), make(folder / "bad", bad)
