"""What a reader must know before believing the numbers, as sentences made from the runs themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import fmean

from ecomgpt.reporting.arms import Arm
from ecomgpt.reporting.load import ReportedRun
from ecomgpt.reporting.readings import Reading
from ecomgpt.reporting.study import Comparison, Study
from ecomgpt.reporting.text import count, plural, points

FEW_ROWS = 100
FEW_SEEDS = 5
MANY_INVALID = 0.05
MOST_NAMED = 6


def notes(study: Study, readings: Mapping[str, Reading]) -> list[str]:
    """Limits of the findings, the weightiest first."""
    run = study.run
    of_run = _data(run) if run else []
    return [
        *_state(run),
        *_scores(study),
        *_few_rows(study),
        *of_run,
        *_rows(readings),
        *_power(study),
        *_seeds(study),
        *_method(study),
    ]


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


def _scores(study: Study) -> list[str]:
    shown = [task for task in study.tasks if any(task.scores[arm.label].known for arm in _known(study, task))]
    unknown = [task.title for task in study.tasks if task not in shown]
    beaten = [task.title for task in shown if not any(task.beats_baseline(arm.label) for arm in _known(study, task))]
    invalid = []
    for arm in study.columns:
        shares = [(task.title, task.invalid.get(arm.label, math.nan)) for task in shown]
        many = [f"“{title}” {points(share)} %" for title, share in shares if share > MANY_INVALID]
        named = ", ".join(many) if len(many) <= MOST_NAMED else f"{len(many)} of {len(shown)} tasks above 5 %"
        mean = fmean([share for _, share in shares if math.isfinite(share)] or [0.0])
        invalid += [f"{arm.label} {points(mean)} % on average ({named})"] if many else []
    bare: dict[str, list[str]] = {}
    for task in shown:
        for score in (task.scores[arm.label] for arm in _known(study, task)):
            if score.known and not score.has_interval:
                bare.setdefault(score.note or "the answers are not there", []).append(task.title)
    below = "Not above the best answer that needs no model" + (", in any arm" if len(study.arms) > 1 else "")
    sentences = [
        (below, _names(beaten)),
        ("Answers outside the candidates or the form asked for", "; ".join(invalid)),
        ("No score, left out of every mean", _names(unknown)),
        *((f"No interval ({reason})", _names(dict.fromkeys(titles))) for reason, titles in bare.items()),
    ]
    return [f"{opening}: {listed}." for opening, listed in sentences if listed]


def _known(study: Study, task: Comparison) -> list[Arm]:
    return [arm for arm in study.arms if arm.label in task.scores]


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


def _power(study: Study) -> list[str]:
    """What the comparisons could have shown, so that a difference that is not clear can be read."""
    if study.reference is None or study.answer is None:
        return []
    found = []
    for arm in study.challengers:
        mean = study.answer.changes.get(arm.label)
        single = [task.changes[arm.label].smallest for task in study.tasks if arm.label in task.changes]
        single = sorted(filter(math.isfinite, single))
        if mean is not None and math.isfinite(mean.smallest) and single:
            name = f"{arm.label}: " if len(study.challengers) > 1 else ""
            spread = f"{points(single[0])} to {points(single[-1])}" if len(single) > 1 else points(single[0])
            found.append(f"{name}{points(mean.smallest)} points on the mean of the answer, {spread} on single tasks")
    opening = f"Smallest true differences to {study.reference.label} that such a comparison finds in 4 of 5 cases"
    return [f"{opening} (before correction): {'; '.join(found)}."] if found else []


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
        few = f"; with fewer than {FEW_SEEDS} seeds they can't be told well." if most < FEW_SEEDS else "."
        return [f"Intervals and tests hold what other texts and other training seeds would have given{few}"]
    return []


def _method(study: Study) -> list[str]:
    found = []
    if study.reference is not None and any(task.changes for task in study.tasks):
        found.append(
            f"Differences are against {study.reference.label}, paired by row; rows about one text count as one, in all "
            "tasks of its dataset. A p-value stands beside its own interval; in brackets and for ▲ and ▼ it is "
            "Holm-corrected, over the tasks of an arm, for means over groups of tasks over the arms. "
            "The best answers that need no model were chosen on these very rows, and their scores are taken as known."
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


def _names(titles: Iterable[str]) -> str:
    return ", ".join(f"“{title}”" for title in titles)
