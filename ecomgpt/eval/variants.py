"""The same rows asked in other ways: ranked by likelihood, and in other wordings with other orders of candidates.

A variant is a task of its own whose answers lie in a folder of its own (``predictions/ranked/``, ``wording_2/``); its
scores stand beside those of the task that it varies. Generated answers mix ability with form: a model that knows the
label and writes it in a sentence scores 0. Ranking the candidates asks for ability alone. And a score that moves with
the wording is not the task's, but the wording's.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ecomgpt.config.schema import Config
from ecomgpt.eval.suite import QUESTIONS_SEED, Suite, load_suite

RANKED = "ranked"


def with_variants(config: Config, manifest: Mapping[str, Any], ranks: bool) -> Suite:
    """A run's suite with its variants.

    Args:
        config: The run's configuration; ``eval.ranked`` and ``eval.wordings`` request variants.
        manifest: As for `ecomgpt.eval.suite.load_suite`.
        ranks: Whether what answers can rank candidates.
    """
    suite = load_suite(config, manifest)
    wanted = ranks and config.eval.ranked and config.eval.decoding == "generate"
    found = [*suite, *(ranked(suite) if wanted else [])]
    for at in range(2, config.eval.wordings + 1):
        found += reworded(suite, load_suite(config, manifest, QUESTIONS_SEED + at - 1), at)
    return found


def ranked(suite: Suite) -> Suite:
    """The closed tasks with one right label, answered by the likeliest candidate."""
    closed = [
        (task, rows) for task, rows in suite if rows and all(row.form == "label" and row.candidates for row in rows)
    ]
    return [
        (
            task.model_copy(update={"name": f"{RANKED}/{task.name}", "varies": task.name, "decoding": "rank"}),
            [replace(row, task=f"{RANKED}/{task.name}") for row in rows],
        )
        for task, rows in closed
    ]


def reworded(suite: Suite, other: Suite, at: int) -> Suite:
    """A suite as another draw of wordings and candidates asks it; tasks that it asks the same stay out."""
    again = {task.name: {row.id: row for row in rows} for task, rows in other}
    found: Suite = []
    for task, rows in suite:
        name = f"wording_{at}/{task.name}"
        asked = [replace(again[task.name].get(row.id, row), task=name) for row in rows]
        if any(one.prompt != row.prompt for one, row in zip(asked, rows, strict=True)):
            found.append((task.model_copy(update={"name": name, "varies": task.name}), asked))
    return found
