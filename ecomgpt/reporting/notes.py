"""What a reader must know before believing the numbers, as sentences made from the runs themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ecomgpt.eval.metrics.names import LOWER_IS_BETTER
from ecomgpt.reporting.load import ReportedRun
from ecomgpt.reporting.readings import Reading
from ecomgpt.reporting.study import Study
from ecomgpt.reporting.tables import best_baseline
from ecomgpt.reporting.text import count, plural, points

FEW_ROWS = 100
FEW_SEEDS = 5
MANY_INVALID = 0.05


def notes(study: Study, readings: Mapping[str, Reading]) -> list[str]:
    """Limits of the findings, the weightiest first."""
    run = study.run
    of_run = [*_scores(run), *_data(run)] if run else []
    return [*_state(run), *_few_rows(study), *of_run, *_rows(readings), *_seeds(study), *_method(study)]


def _state(run: ReportedRun | None) -> list[str]:
    # A report is written as the last stage of a run, so "running" is what a healthy run says at that moment.
    state = run.status.get("state") if run else None
    return [f"The run is not complete: its state is “{state}”."] if state in ("failed", "interrupted") else []


def _few_rows(study: Study) -> list[str]:
    few = [task.title for task in study.tasks if 0 < task.rows < FEW_ROWS]
    if not few:
        return []
    which = _names(few) if len(few) < len(study.tasks) else "all of them"
    return [
        f"Few rows: {plural(len(few), 'task')} of {len(study.tasks)} with fewer than {FEW_ROWS} rows ({which}). "
        "Their intervals are wide and small differences on them mean nothing."
    ]


def _scores(run: ReportedRun) -> list[str]:
    tasks = list(run.tasks.values())
    unknown = [task.title for task in tasks if not task.score().known]
    bare = [task.title for task in tasks if task.score().known and not task.score().has_interval]
    beaten = []
    for task in tasks:
        best = best_baseline(run, task)
        sign = -1 if task.primary in LOWER_IS_BETTER else 1
        if best and sign * task.score().value <= sign * best[1].value:
            beaten.append(task.title)
    invalid = [(task.title, task.score("invalid_rate").value) for task in tasks]
    shares = [f"“{title}” {points(share)} %" for title, share in invalid if share > MANY_INVALID]
    sentences = [
        ("Not above the best simple baseline", _names(beaten)),
        ("Answers outside the candidates or the form asked for", ", ".join(shares)),
        ("No score, left out of every mean", _names(unknown)),
        ("A score without an interval", _names(bare)),
    ]
    return [f"{opening}: {listed}." for opening, listed in sentences if listed]


def _data(run: ReportedRun) -> list[str]:
    if run.manifest is None:
        missing = "The run holds no data/manifest.json: what the model was trained on is not known here."
        return [missing] if run.was_trained else []
    found = []
    truncated, total = sum(task.truncated for task in run.manifest.tasks), run.manifest.examples
    if truncated:
        share = f"{truncated / max(total, 1) * 100:.1f} %"
        found.append(f"Cut to the maximum length: {count(truncated)} of {count(total)} training examples ({share}).")
    if not run.manifest.checked_against:
        found.append("The training data were not checked against the evaluation rows.")
    return found


def _rows(readings: Mapping[str, Reading]) -> list[str]:
    broken = [reading.problem for reading in readings.values() if reading.problem]
    cut = ", ".join(f"{name} {count(reading.cut_rows)}" for name, reading in readings.items() if reading.cut_rows)
    found = [f"Predictions that could not be read: {problem}." for problem in broken]
    return [*found, *([f"Evaluation prompts cut to the maximum length, in rows: {cut}."] if cut else [])]


def _seeds(study: Study) -> list[str]:
    most = max((len(arm.seeds) for arm in study.arms), default=0)
    if most == 1:
        several = len(study.arms) > 1
        return [
            ("One seed per arm" if several else "One seed")
            + ": the intervals hold the choice of evaluation rows, not what another training seed would have given. "
            "Differences between seeds are often as large as those between mixtures"
            + ("; add seed=1,2,3 to the sweep." if several else ".")
        ]
    if most > 1:
        few = f"; with fewer than {FEW_SEEDS} seeds such intervals are wide." if most < FEW_SEEDS else "."
        return [
            "Seeds are pooled: hierarchical paired bootstrap over rows and seeds, Student's t with Satterthwaite's "
            f"degrees of freedom{few}"
        ]
    return []


def _method(study: Study) -> list[str]:
    found = []
    if study.reference is not None and any(task.changes for task in study.tasks):
        found.append(
            f"Differences are against {study.reference.label}, from {study.samples:,} paired resamples of the rows; "
            "▲ and ▼ mark p below 0.05, Holm-corrected over the tasks of an arm, for means over groups of tasks over "
            "the arms. Intervals are not corrected."
        )
    if study.reference is not None or len(study.arms) > 1:
        by_reason: dict[str, list[str]] = {}
        for task in study.tasks:
            if task.name in study.uncompared:
                by_reason.setdefault(study.uncompared[task.name], []).append(task.title)
        out = "" if len(study.uncompared) == len(study.tasks) else " Means leave out what is not compared."
        found += [f"Not compared: {_names(titles)}: {reason}.{out}" for reason, titles in by_reason.items()]
    if any(task.relation == "mixed" for task in study.tasks):
        found.append(
            "Some tasks are nearer to the training data of one arm than of another; "
            "the groups of unseen tasks leave them out."
        )
    if any(not group.metric and len(group.tasks) > 1 for group in study.groups):
        found.append("A mean over tasks with different metrics averages each task's metric of record.")
    if any(task.task and task.task.published for task in study.tasks):
        found.append(
            "The paper's points are those of EcomGPT-7B1, read off a figure (±2 points); "
            "its script scored other rows and prompts."
        )
    return found


def _names(titles: Sequence[str]) -> str:
    return ", ".join(f"“{title}”" for title in titles)
