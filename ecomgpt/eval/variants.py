"""The same rows asked in other ways: ranked by likelihood, and in other wordings with other orders of candidates.

A variant is a task of its own whose answers lie in a folder of its own (``predictions/ranked/``, ``wording_2/``); its
scores stand beside those of the task that it varies. Generated answers mix ability with form: a model that knows the
label and writes it in a sentence scores 0. Ranking the candidates asks for ability alone. And a score that moves with
the wording is not the task's, but the wording's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ecomgpt.config.schema import Config
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.suite import QUESTIONS_SEED, Suite, load_suite

RANKED = "ranked"
MORE_DRAWS = 3
"""Draws beyond the ways that are wanted: some ask the same, or something else."""


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
    if config.eval.wordings > 1:
        seeds = range(QUESTIONS_SEED + 1, QUESTIONS_SEED + config.eval.wordings + MORE_DRAWS)
        found += reworded(suite, [load_suite(config, manifest, seed) for seed in seeds], config.eval.wordings)
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


def reworded(suite: Suite, draws: Sequence[Suite], ways: int) -> Suite:
    """The suite as other draws of wordings and candidates ask it.

    Args:
        suite: As it is.
        draws: The same tasks under other seeds. A draw that asks for another answer (which category to check, which
            text to compare with) is another question and stays out.
        ways: How many ways there shall be, the suite's own included. A row that has fewer is asked as before.
    """
    asked: dict[tuple[str, str], list[EvalRow]] = {}
    for draw in [suite, *draws]:
        for task, rows in draw:
            for row in rows:
                known = asked.setdefault((task.name, row.id), [])
                if not known or (row.target == known[0].target and all(row.prompt != one.prompt for one in known)):
                    known.append(row)
    found: Suite = []
    for way in range(1, ways):
        for task, rows in suite:
            name = f"wording_{way + 1}/{task.name}"
            again = [asked[task.name, row.id] for row in rows]
            if any(len(known) > way for known in again):
                chosen = [replace(known[way] if len(known) > way else known[0], task=name) for known in again]
                found.append((task.model_copy(update={"name": name, "varies": task.name}), chosen))
    return found
