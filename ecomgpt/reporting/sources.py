"""The catalogue as a table: datasets that are found, what became of their rows, and how to get the missing ones."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ecomgpt.sources.catalog import folder
from ecomgpt.sources.dataset import Dataset

MOST_REASONS = 3
"""Reasons that the table spells out; data/manifest.json holds them all."""

STATES = {"found": "green", "left out": "yellow", "missing": "red"}


@dataclass(frozen=True)
class CatalogueEntry:
    """One dataset of the catalogue as this run sees it; ``note`` says how to get it, or why it is left out."""

    dataset: Dataset
    state: str
    note: str = ""

    @property
    def fetchable(self) -> bool:
        """Whether ``sources.fetch=true`` downloads it: it is missing, on the hub, and needs no registration."""
        return self.state == "missing" and _downloads(self.dataset)


def _downloads(dataset: Dataset) -> bool:
    return bool(dataset.hub and dataset.options.get("download", True))


def sources_of(
    datasets: Sequence[Dataset], found: Sequence[str], excluded: Sequence[str], data_root: Path
) -> list[CatalogueEntry]:
    """The catalogue's datasets with their state, those that are used first.

    Args:
        datasets: All that the run looked for.
        found: The names of those that it uses.
        excluded: ``name: reason`` lines of those that it leaves out.
        data_root: The folder with ``raw/``.
    """
    reasons = dict(line.split(": ", 1) for line in excluded)
    listed = []
    for dataset in datasets:
        state, note = "found", ""
        if dataset.name in reasons:
            state, note = "left out", f"{reasons[dataset.name]}; sources.include_excluded=[{dataset.name}] takes it in"
        elif dataset.name not in found:
            patterns = ", ".join(pattern for patterns in dataset.files.values() for pattern in patterns)
            fetched = " sources.fetch=true downloads it." if _downloads(dataset) else ""
            state = "missing"
            note = f"{dataset.obtain}{fetched} Looked for {patterns} in {folder(dataset, data_root)}."
        listed.append(CatalogueEntry(dataset, state, note))
    return sorted(listed, key=lambda source: (list(STATES).index(source.state), source.dataset.name))


def table(listed: Sequence[CatalogueEntry], manifest: dict[str, Any] | None = None) -> Table:
    """The table for the terminal; with a manifest it also says what became of the rows of the datasets used."""
    counts = {state: sum(source.state == state for source in listed) for state in STATES}
    shown = Table(
        title="Datasets: " + ", ".join(f"{number} {state}" for state, number in counts.items()),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    shown.add_column("dataset", overflow="fold")
    shown.add_column("", no_wrap=True)
    shown.add_column("state", no_wrap=True)
    shown.add_column("rows and tasks" if manifest else "how to get it", overflow="fold", ratio=1)
    for source in listed:
        note = _rows(source.dataset.name, manifest) if source.state == "found" and manifest else source.note
        shown.add_row(
            Text(source.dataset.name), source.dataset.language, Text(source.state, STATES[source.state]), Text(note)
        )
    return shown


def _rows(name: str, manifest: dict[str, Any]) -> str:
    rows = manifest["sources"][name]
    tasks = [task for task in manifest["tasks"] if task["source"] == name]
    dropped = sum(rows["dropped"].values())
    ordered = sorted(rows["dropped"].items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{number:,} {reason}" for reason, number in ordered[:MOST_REASONS]]
    if rest := sum(number for _, number in ordered[MOST_REASONS:]):
        shown.append(f"{rest:,} for other reasons")
    lost = f" + {dropped:,} dropped ({'; '.join(shown)})" if dropped else ""
    examples = sum(task["examples"] for task in tasks)
    return f"{rows['read']:,} read = {rows['kept']:,} kept{lost}; {len(tasks)} tasks, {examples:,} examples"


def as_csv(listed: Sequence[CatalogueEntry], manifest: dict[str, Any]) -> str:
    """The same as CSV, with what a person needs to cite and license the mixture."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    known, about = ("name", "title", "language"), ("family", "domain", "licence", "citation", "homepage")
    writer.writerow([*known, "state", "read", "kept", "dropped", *about, "note"])
    for source in listed:
        rows = manifest["sources"].get(source.dataset.name)
        numbers = [rows["read"], rows["kept"], sum(rows["dropped"].values())] if rows else ["", "", ""]
        first, last = ([getattr(source.dataset, key) for key in keys] for keys in (known, about))
        writer.writerow([*first, source.state, *numbers, *last, source.note])
    return stream.getvalue()
