"""Writes a report: pages (HTML in one file, without network, and Markdown), tables, figures and numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json, write_bytes, write_json, write_text
from ecomgpt.common.hashing import code_hash, file_hash, value_hash
from ecomgpt.config.roots import PACKAGE
from ecomgpt.reporting import charts, curves, exports, findings, latex, tables, text
from ecomgpt.reporting.charts import Chart
from ecomgpt.reporting.comparison import compare
from ecomgpt.reporting.drawing import draw
from ecomgpt.reporting.gather import Gathered, gather
from ecomgpt.reporting.notes import notes
from ecomgpt.reporting.readings import read
from ecomgpt.reporting.results_csv import as_csv
from ecomgpt.reporting.study import Study
from ecomgpt.runtime.directory import overrides_of

RECORD = "report.json"
"""What a report of several runs was made from, so that it is written again only where that has changed."""
READ = ("metrics.json", "status.json", "config.yaml", "environment.json", "data/manifest.json", "logs/metrics.csv")
CHARTS: dict[str, Chart] = {
    "overview": charts.overview,
    "curve": curves.curve,
    "groups": charts.groups,
    "differences": charts.differences,
    "verdicts": charts.verdicts,
    "scores": charts.scores,
    "training": curves.training,
    "composition": charts.composition,
    "examples": charts.examples,
    "chain": curves.chain,
}
"""The figures, in the order in which a person would look at them."""


def write(
    gathered: Gathered, folder: Path, reference: str | None = None, example_rows: int = 10, record: bool = True
) -> Study:
    """Writes everything into ``folder``; see `ecomgpt.reporting.write_report` and `ecomgpt.reporting.write_study`."""
    study = compare(gathered, reference)
    folder.mkdir(parents=True, exist_ok=True)
    content = _content(study, example_rows) | {"figures": draw(study, folder / "figures", CHARTS)}
    write_text(folder / "report.md", _markdown().get_template("report.md.j2").render(content))
    runs = [(one.name, " ".join(overrides_of(one.run.path)), one.run) for one in gathered.members]
    write_text(folder / "results.csv", as_csv(runs))
    write_text(folder / "table.tex", _latex().get_template("table.tex.j2").render(content))
    write_json(folder / "comparison.json", exports.as_json(study))
    write_bytes(folder / "counts.csv.gz", exports.as_counts(study))
    write_text(
        folder / "report.html",
        _environment(text.visible, autoescape=True).get_template("report.html.j2").render(content),
    )
    if record:
        write_json(folder / RECORD, {"answer": content["headline"], "made_from": made_from(gathered, reference)})
    return study


def unchanged(entries: Sequence[str | Path], folder: Path, reference: str | None = None) -> str | None:
    """The answer of the report that lies in ``folder``, if it is still made from the same files, else None."""
    record: dict[str, Any] = {}
    with contextlib.suppress(UserError):  # A damaged record is that of no report: it is written again.
        record = read_json(folder / RECORD)
    whole = all((folder / name).is_file() for name in ("report.html", "report.md", "results.csv", "table.tex"))
    same = whole and record.get("made_from") == made_from(gather(entries), reference)
    return str(record.get("answer")) if same else None


def made_from(gathered: Gathered, reference: str | None) -> str:
    """A hash of all that a report depends on: the runs' files, what is absent, and the code."""
    absent = [vars(one) for one in gathered.absent]
    rooms = [code_hash(PACKAGE / room) for room in ("reporting", "eval")]
    parts: list[Any] = [*rooms, reference, absent, gathered.commands]
    for one in gathered.members:
        parts.append([one.name, *(file_hash(one.run.path / name) for name in READ)])
        answers = sorted((one.run.path / "predictions").rglob("*.jsonl"))
        parts.append([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in answers])
    return value_hash(parts)


def _content(study: Study, example_rows: int) -> dict[str, Any]:
    """Everything that the templates name, so that they hold layout and no logic."""
    run, challengers = study.run, study.challengers or study.backbones
    # A task's name is data: it must not lead out of the folder.
    files = {name: run.path / "predictions" / f"{Path(name).name}.jsonl" for name in run.tasks} if run else {}
    readings = {name: read(file, example_rows) for name, file in files.items()}
    labels = [arm.label for arm in study.arms]
    return {
        "study": study,
        "run": run,
        "headline": findings.headline(study),
        "answer": (answer := findings.sentences(study))[0],
        "basis": " ".join(answer[1:]),
        "absent": findings.absent(study),
        "notes": notes(study, readings),
        "labels": labels,
        "tasks": [tables.score_row(study, task) for task in study.tasks],
        "groups": [tables.score_row(study, group) for group in study.groups],
        "changes": [
            (arm.label, task, task.changes[arm.label])
            for arm in (challengers if study.reference else [])
            for task in study.tasks
            if arm.label in task.changes
        ],
        "paper": tables.paper_rows(study),
        "baselines": any(task.baseline for task in study.tasks),
        "ranks": any(task.ranked for task in study.tasks),
        "pooled": any(len(arm.seeds) > 1 for arm in study.arms),
        "cost": tables.cost_rows(study),
        "differing": tables.differing_rows(study) if len(labels) > 1 else [],
        "origins": tables.origin_rows(study),
        "facts": tables.origin_facts(study),
        "dropped": tables.dropped_rows(run.manifest) if run else [],
        "metrics": {name: tables.metric_rows(run, task) for name, task in run.tasks.items()} if run else {},
        "metric_columns": [*(["untrained"] if run.untrained else []), *labels, *run.baselines] if run else [],
        "readings": readings,
        "example_rows": example_rows,
    }


def _environment(escape: Callable[[str], str], **options: Any) -> Environment:
    """What a template prints is made harmless, but for what was marked as safe where it was placed."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: escape(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
        **options,
    )
    filters: dict[str, Callable[..., Any]] = {
        "mark": lambda change: text.mark(change.verdict) if change else "",
        "points": text.points,
        "interval": text.interval,
        "count": text.count,
        "metric": text.metric_name,
        "tested": text.tested,
    }
    environment.filters |= filters
    return environment


def _markdown() -> Environment:
    environment = _environment(text.markdown)
    environment.filters["interval"] = lambda score: Markup(text.interval(score))  # its brackets make no link
    environment.filters["code"] = lambda value: Markup(text.code_block(value))
    return environment


def _latex() -> Environment:
    delimiters = dict(zip(("block_start_string", "block_end_string"), ("((*", "*))"), strict=True))
    delimiters |= dict(zip(("variable_start_string", "variable_end_string"), ("(((", ")))"), strict=True))
    environment = _environment(latex.escape, **delimiters)
    environment.filters["mark"] = lambda change: Markup(latex.MARKS.get(change.verdict, "") if change else "")
    environment.filters["printable"] = latex.printable
    return environment
