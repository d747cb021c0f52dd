"""Evaluation data as EcomInstruct released it: a folder with ``meta-info.json`` and ``test.json``, one task.

The strings of ``meta-info.json`` are used as they stand, misspellings and all: models that others trained expect
exactly these prompts. The folder's name decides the task type; the ``task`` inside the file differs from it in places.
"""

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError, suggestion
from ecomgpt.common.jsonl import parse_json
from ecomgpt.eval.rows import TASK_TYPES, EvalRow
from ecomgpt.eval.task import EvalTask
from ecomgpt.tasks.answers import render
from ecomgpt.tasks.prompt import from_template

_FOLDER = re.compile(rf"^[A-Z]+-.+?-({'|'.join(sorted(TASK_TYPES, key=len, reverse=True))})-.+$")
_MOST_PROBLEMS = 20


def read_released(
    task: EvalTask, data: Path, *, seed: int, candidates: str = "sample", max_candidates: int = 20
) -> list[EvalRow]:
    """All rows of a released task, in the file's order. A row's id is ``<task>/<line number>``.

    Args:
        task: Its declaration.
        data: The folder that the declaration's ``folder`` lies in.
        seed: Decides, with the row's id, which labels a prompt offers and in which order.
        candidates: ``sample`` offers the gold labels and others up to ``max_candidates``, shuffled, as the released
            script does (but from a seeded generator); ``all`` offers every label in the file's order.
        max_candidates: At least the number of gold labels is offered.

    Raises:
        UserError: For missing or empty files, and for every broken line, with file and line.
    """
    folder = data / (task.folder or "")
    meta = _Meta(folder / "meta-info.json", _kind(task, folder))
    test = folder / "test.json"
    problems: list[str] = []
    parsed: list[tuple[int, dict[str, Any]]] = []
    for number, line in _lines(test):
        try:
            row = parse_json(line)
        except ValueError as error:
            problems.append(f"{test}:{number}: is not one JSON object ({error}); every line of test.json must be")
            continue
        trouble = meta.trouble(row) or _without_choices(task, meta, row)
        if trouble:
            problems.append(f"{test}:{number}: {trouble}")
        parsed.append((number, row))
    if problems:
        more = (
            [f"{test}: {len(problems) - _MOST_PROBLEMS} more lines are broken"]
            if len(problems) > _MOST_PROBLEMS
            else []
        )
        raise UserError(*problems[:_MOST_PROBLEMS], *more)
    if not parsed:
        raise UserError(f"{test}: holds no rows; put the released test.json there or leave the task '{task.name}' out")
    return list(_rows(task, meta, parsed, seed, max_candidates if candidates == "sample" else None))


def _rows(
    task: EvalTask, meta: "_Meta", parsed: list[tuple[int, dict]], seed: int, most: int | None
) -> Iterator[EvalRow]:
    form = meta.form(row for _, row in parsed)
    for number, row in parsed:
        id_ = f"{task.name}/{number}"
        gold = meta.gold(row)
        shown = meta.labels
        if meta.kind == "CLS" and most is not None:
            shown = draw_candidates(meta.labels, gold, most, random.Random(f"{seed}/{id_}"))
        if task.choices:
            form, shown = "label", listed(row["sentences"], task.choices, meta.separator)
            gold = [meta.target(row)]
        prompt = from_template(
            meta.definition, meta.template, row["sentences"], {"label_set": meta.separator.join(shown)}
        )
        yield EvalRow(
            id=id_,
            task=task.name,
            prompt=prompt,
            target=meta.target(row),
            # The types offered by a span prompt are no candidates of the answer.
            candidates=tuple(shown) if form in ("label", "labels", "typed_spans") else (),
            form=form,
            kind=meta.kind,
            separator=meta.separator,
            gold=tuple(gold),
            language=task.language,
            source=task.dataset,
        )


def listed(text: str, words: str, separator: str) -> list[str]:
    """The answers that a text lists behind ``words``, up to its end and the full stop there; empty without them."""
    _, _, answers = text.partition(words)
    return list(dict.fromkeys(filter(None, answers.strip().removesuffix(".").split(separator))))


def draw_candidates(labels: list[str], gold: list[str], most: int, chance: random.Random) -> list[str]:
    """The gold labels and a sample of the others, in random order."""
    others = [label for label in labels if label not in gold]
    shown = gold + chance.sample(others, min(len(others), max(most - len(gold), 0)))
    chance.shuffle(shown)
    return shown


def _without_choices(task: EvalTask, meta: "_Meta", row: dict[str, Any]) -> str | None:
    if not task.choices or meta.target(row) in listed(row["sentences"], task.choices, meta.separator):
        return None
    return f"the answer is none of those that 'sentences' lists behind {task.choices!r} (the task's 'choices')"


def _kind(task: EvalTask, folder: Path) -> str:
    match = _FOLDER.match(folder.name)
    kind = task.kind or (match.group(1) if match else None)
    if kind is None:
        raise UserError(
            f"{task.name}: the folder's name '{folder.name}' is not <LANG>-<Dataset>-<TYPE>-<name>; "
            f"give the task's YAML a 'kind', one of {', '.join(TASK_TYPES)}"
        )
    return kind


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number from 1, line) of all lines that are not blank."""
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            yield number, line


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read: {error.strerror}; paths.data must hold the released folders"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None


class _Meta:
    """``meta-info.json``, checked.

    Attributes:
        kind: The task type.
        definition: For the head line, the file's ``defi``.
        template: The file's ``test_prompt.instruction``.
        labels: The candidates or types; empty where the task has none.
        separator: Between labels and terms, the file's ``label_sep``.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.kind = kind
        try:
            meta = parse_json(_text(path))
        except ValueError as error:
            raise UserError(f"{path}: {error}") from None
        if not isinstance(meta, dict):
            raise UserError(f"{path}:1: is not a JSON object")
        problems: list[str] = []

        def text(value: Any, key: str, default: str | None = None) -> str:
            value = default if value is None else value
            if not isinstance(value, str):
                problems.append(f"{path}: '{key}' must be text{suggestion(key, list(meta)) if key not in meta else ''}")
                return ""
            return value

        self.definition = text(meta.get("defi"), "defi")
        prompt = meta.get("test_prompt")
        self.template = text(prompt.get("instruction") if isinstance(prompt, dict) else None, "test_prompt.instruction")
        self.separator = text(meta.get("label_sep"), "label_sep", ", ") or ", "
        if self.template.count("{sentences}") != 1 and not problems:
            problems.append(
                f"{path}: 'test_prompt.instruction' must hold {{sentences}} exactly once: {self.template!r}"
            )
        self.labels: list[str] = []
        self.key = ""
        if kind in ("CLS", "NER", "Condition_Extract"):
            self.key = text(meta.get("label_key"), "label_key")
            sets = meta.get("label_set")
            labels = sets.get(self.key) if isinstance(sets, dict) else None
            if isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels):
                self.labels = list(dict.fromkeys(labels))
            else:
                problems.append(
                    f"{path}: 'label_set' must hold a list of labels under '{self.key}' (the file's label_key)"
                )
        if problems:
            raise UserError(*problems)

    def trouble(self, row: Any) -> str | None:
        """What is wrong with a row, if anything."""
        if not isinstance(row, dict) or not isinstance(row.get("sentences"), str):
            return "'sentences' must be text"
        if self.kind == "CLS":
            labels = row.get("labels")
            labels = labels.get(self.key) if isinstance(labels, dict) else None
            if not isinstance(labels, list) or not labels:
                return f"'labels' must hold at least one label under '{self.key}'"
            unknown = [label for label in labels if label not in self.labels]
            return f"the label {unknown[0]!r} is not in the label_set of meta-info.json" if unknown else None
        spans = row.get("spans")
        if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
            return "'spans' must be a list of objects"
        if not all(isinstance(span.get("term"), str) and span["term"].strip() for span in spans):
            return "every span needs a 'term' that is not empty"
        if self.kind in ("Extract", "Generate"):
            return None if spans else "'spans' is empty: its first term is the answer"
        unknown = [span.get("type") for span in spans if span.get("type") not in self.labels]
        if self.kind == "NER" and unknown:
            return f"the type {unknown[0]!r} is not in the label_set of meta-info.json"
        return None

    def gold(self, row: dict[str, Any]) -> list[str]:
        return list(dict.fromkeys(row["labels"][self.key])) if self.kind == "CLS" else []

    def form(self, rows: Iterator[dict[str, Any]]) -> str:
        """The answer's form: several labels are allowed as soon as one row of the file has several."""
        if self.kind == "CLS":
            return "labels" if any(len(self.gold(row)) > 1 for row in rows) else "label"
        return {"NER": "typed_spans", "Condition_Extract": "spans"}.get(self.kind, "text")

    def target(self, row: dict[str, Any]) -> str:
        """The gold answer as the released data mean it; the offsets of Extract and Generate rows are wrong and
        unused."""
        writers: dict[str, Callable[[], str]] = {
            "CLS": lambda: self.separator.join(self.gold(row)),
            "NER": lambda: render(
                "typed_spans", [(span["type"], span["term"]) for span in row["spans"]], self.labels, self.separator
            ),
            "Condition_Extract": lambda: render("spans", [span["term"] for span in row["spans"]], (), self.separator),
        }
        return writers[self.kind]() if self.kind in writers else row["spans"][0]["term"]
