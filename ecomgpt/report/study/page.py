"""Writes a study's report: the pages, the tables, the figures and the numbers for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ecomgpt.common.files import read_json, write_json, write_text
from ecomgpt.common.hashing import code_hash, file_hash, value_hash
from ecomgpt.config.roots import PACKAGE
from ecomgpt.report.figures import draw
from ecomgpt.report.page import html_environment, markdown_environment
from ecomgpt.report.study import findings, table, tables
from ecomgpt.report.study.compare import Study, study
from ecomgpt.report.study.figures import CHARTS
from ecomgpt.report.study.gather import Gathered, gather
from ecomgpt.report.text import metric_name

RECORD = "report.json"
"""What the report was made from, so that it is written again only where that has changed."""


def write(entries: Sequence[str | Path], folder: Path, reference: str | None = None, title: str = "") -> Study:
    """Writes everything into ``folder``; see `ecomgpt.report.write_study`."""
    gathered = gather(entries, title)
    found = study(gathered, reference)
    folder.mkdir(parents=True, exist_ok=True)
    figures = draw(found, folder / "figures", CHARTS)
    content = _content(found) | {"figures": figures}
    write_text(folder / "report.md", markdown_environment().get_template("study.md.j2").render(content))
    write_text(folder / "results.csv", table.as_csv(found))
    write_text(folder / "table.tex", table.as_latex(found))
    write_json(folder / "comparison.json", tables.as_json(found))
    write_text(folder / "report.html", html_environment().get_template("study.html.j2").render(content))
    write_json(folder / RECORD, {"answer": content["headline"], "made_from": made_from(gathered, reference)})
    return found


def unchanged(entries: Sequence[str | Path], folder: Path, reference: str | None = None) -> str | None:
    """The answer of the report that lies in ``folder``, if it is still made from the same files, else None."""
    record = read_json(folder / RECORD)
    whole = all((folder / name).is_file() for name in ("report.html", "report.md", "results.csv", "table.tex"))
    same = whole and record.get("made_from") == made_from(gather(entries), reference)
    return str(record.get("answer")) if same else None


def made_from(gathered: Gathered, reference: str | None) -> str:
    """A hash of all that a report depends on: the runs' files, what is absent, and the code."""
    parts: list[Any] = [
        code_hash(PACKAGE / "report"),
        code_hash(PACKAGE / "eval"),
        reference,
        [vars(one) for one in gathered.absent],
        gathered.commands,
    ]
    for one in gathered.members:
        files = [
            "metrics.json",
            "status.json",
            "config.yaml",
            "environment.json",
            "data/manifest.json",
            "logs/metrics.csv",
        ]
        parts.append([one.name, *(file_hash(one.run.path / name) for name in files)])
        answers = sorted((one.run.path / "predictions").rglob("*.jsonl"))
        parts.append([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in answers])
    return value_hash(parts)


def _content(found: Study) -> dict[str, Any]:
    """Everything that the templates name, so that they hold layout and no logic."""
    return {
        "study": found,
        "headline": findings.headline(found),
        "absent": findings.absent(found),
        "notes": findings.notes(found),
        "columns": tables.columns(found),
        "labels": [arm.label for arm in found.arms],
        "tasks": tables.task_rows(found),
        "groups": tables.group_rows(found),
        "changes": list(_changes(found)),
        "paper": tables.paper_rows(found),
        "baselines": bool(found.gathered.members and found.gathered.members[0].run.baselines),
        "pooled": any(len(arm.seeds) > 1 for arm in found.arms),
        "cost": tables.cost_rows(found),
        "differing": tables.differing_rows(found),
        "origins": tables.origin_rows(found),
        "facts": tables.origin_facts(found),
    }


def _changes(found: Study) -> Any:
    """(arm, task, metric, the reference's score, the arm's, difference), arm by arm; the models before training are left out
    where there are others to hold against the reference."""
    if found.reference is None:
        return
    for arm in found.challengers or found.backbones:
        for task in found.tasks:
            change = task.changes.get(arm.label)
            if change is not None:
                first, second = task.scores[found.reference.label], task.scores[arm.label]
                yield arm.label, task.title, metric_name(task.metric), first.value, second.value, change
