"""What a reader must know before believing the numbers, as sentences made from the run itself."""

from __future__ import annotations

from collections.abc import Mapping

from ecomgpt.report.findings import best_baseline, difference, plural
from ecomgpt.report.load import Run, TaskScores
from ecomgpt.report.predictions import Reading
from ecomgpt.report.tables import checked_against, published_rows
from ecomgpt.report.text import count, points

FEW_ROWS = 100
MANY_INVALID = 0.05
PAIRED = (
    "A task counts as better or worse where the p-value of a paired bootstrap over its rows, Holm-corrected over the tasks, "
    "is below 0.05. "
)
OVERLAP = (
    "A task counts as better or worse where the two intervals do not overlap. The interval of the mean difference treats both "
    "models' scores as independent, which is cautious since they answered the same rows. "
)


def notes(run: Run, readings: Mapping[str, Reading]) -> list[str]:
    """Limits of this run's findings, the weightiest first."""
    return [*_state(run), *_scores(run), *_data(run), *_rows(readings), *_method(run)]


def _state(run: Run) -> list[str]:
    # A report is written as the last stage of a run, so "running" is what a healthy run says at that moment.
    state = run.status.get("state")
    return [f"The run is not complete: its state is “{state}”."] if state in ("failed", "interrupted") else []


def _scores(run: Run) -> list[str]:
    found = []
    tasks = list(run.tasks.values())
    unknown = [task for task in tasks if not task.score().known]
    bare = [task for task in tasks if task.score().known and not task.score().has_interval]
    few = [task for task in tasks if 0 < task.n < FEW_ROWS]
    beaten = [task for task in tasks if _below_baseline(run, task)]
    invalid = [task for task in tasks if (task.score("invalid_rate").value or 0) > MANY_INVALID]
    if few:
        found.append(
            f"Few rows: {plural(len(few), 'task')} of {len(tasks)} with fewer than {FEW_ROWS} rows ({_names(few)}). "
            "Their intervals are wide and small differences on them mean nothing."
        )
    if beaten:
        found.append(f"Not above the best simple baseline: {_names(beaten)}.")
    if invalid:
        shares = ", ".join(f"“{task.title}” {points(task.score('invalid_rate').value)} %" for task in invalid)
        found.append(f"Answers outside the candidates or the form asked for: {shares}.")
    if unknown:
        found.append(f"No score, left out of every mean: {_names(unknown)}.")
    if bare:
        found.append(f"A score without an interval: {_names(bare)}.")
    return found


def _below_baseline(run: Run, task: TaskScores) -> bool:
    baseline = best_baseline(run, task)
    result = difference(task.score(), baseline[1], task.primary) if baseline else None
    return result is not None and result.score.value <= 0


def _data(run: Run) -> list[str]:
    if run.manifest is None:
        return (
            ["The run holds no data/manifest.json: what the model was trained on is not known here."]
            if run.was_trained
            else []
        )
    found = []
    truncated = sum(task.truncated for task in run.manifest.tasks)
    if truncated:
        total = run.manifest.examples or sum(task.examples for task in run.manifest.tasks)
        share = f" ({truncated / total * 100:.1f} %)" if total else ""
        found.append(f"Cut to the maximum length: {count(truncated)} of {count(total)} training examples{share}.")
    if not checked_against(run):
        found.append("The training data were not checked against the evaluation rows.")
    return found


def _rows(readings: Mapping[str, Reading]) -> list[str]:
    found = [
        f"Predictions that could not be read: {reading.problem}." for reading in readings.values() if reading.problem
    ]
    cut = {name: reading.cut_rows for name, reading in readings.items() if reading.cut_rows}
    if cut:
        listed = ", ".join(f"{name} {count(n)}" for name, n in cut.items())
        found.append(f"Evaluation prompts cut to the maximum length, in rows: {listed}.")
    return found


def _method(run: Run) -> list[str]:
    found = []
    if run.tasks:
        found.append(
            "Scores are in points, 0 to 100. Intervals are 95 % bootstrap intervals over a task's rows; "
            "they do not hold the variation between training seeds or choices of tasks."
        )
    if run.tasks.keys() & run.untrained.keys():
        found.append(
            (PAIRED if run.changes else OVERLAP)
            + "The mean difference averages each task's metric of record, so it mixes metrics."
        )
    if published_rows(run):
        found.append(
            "The paper's points are those of EcomGPT-7B1, read off a figure (±2 points); its script scored other rows and prompts."
        )
    return found


def _names(tasks: list[TaskScores]) -> str:
    return ", ".join(f"“{task.title}”" for task in tasks)
