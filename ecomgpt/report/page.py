"""Writes a run's `report.html` (one file, no network) and `report.md` from the templates beside it, and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ecomgpt.report import table, tables, text
from ecomgpt.report.figures import CHARTS, draw
from ecomgpt.report.findings import headline
from ecomgpt.report.load import Run, load
from ecomgpt.report.notes import notes
from ecomgpt.report.predictions import read

TEMPLATES = Path(__file__).parent / "templates"
FILTERS: dict[str, Any] = {
    "mark": lambda change: text.mark(change.verdict) if change else "",
    "points": text.points,
    "interval": text.interval,
    "count": text.count,
    "metric": text.metric_name,
    "probability": text.probability,
}


def write(run_dir: Path, example_rows: int = 10) -> Path:
    """Write both pages and the figures into ``run_dir``; see `ecomgpt.report.write_report`."""
    run = load(run_dir)
    figures = draw(run, run.path / "figures", CHARTS)
    content = _content(run, example_rows) | {"figures": figures}
    (run.path / "report.md").write_text(markdown_environment().get_template("report.md.j2").render(content), "utf-8")
    (run.path / "results.csv").write_text(table.as_csv([(run.name, "", run)]), "utf-8", newline="")
    (run.path / "table.tex").write_text(table.as_latex(run), "utf-8")
    page = run.path / "report.html"
    page.write_text(html_environment().get_template("report.html.j2").render(content), "utf-8")
    return page


def _content(run: Run, example_rows: int) -> dict[str, Any]:
    """Everything that the templates name, so that they hold layout and no logic."""
    readings = {name: read(_predictions(run, name), example_rows) for name in run.tasks}
    return {
        "run": run,
        "arm": "Trained" if run.was_trained else "Score",
        "headline": headline(run),
        "scores": tables.score_rows(run),
        "averages": tables.average_rows(run),
        "published": tables.published_rows(run),
        "metrics": {name: tables.metric_rows(run, task) for name, task in run.tasks.items()},
        "dropped": tables.dropped_rows(run),
        "removed": tables.removed_rows(run),
        "checked": tables.checked_against(run),
        "facts": tables.training_facts(run),
        "origin": tables.origin_facts(run),
        "command": tables.command(run),
        "readings": readings,
        "example_rows": example_rows,
        "notes": notes(run, readings),
    }


def _predictions(run: Run, task: str) -> Path:
    # A task's name is data: it must not lead out of the folder.
    return run.path / "predictions" / f"{Path(task).name}.jsonl"


def html_environment() -> Environment:
    """Everything that a template prints is made visible, then escaped; figures alone are marked as safe where they are placed."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: (
            text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
    )
    environment.filters |= FILTERS
    return environment


def markdown_environment() -> Environment:
    """As for HTML, with Markdown's own escapes."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: (
            text.markdown(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
    )
    environment.filters |= FILTERS | {
        "interval": lambda score: Markup(text.interval(score)),  # its brackets make no link
        "code": lambda value: Markup(text.code_block(value)),
    }
    return environment
