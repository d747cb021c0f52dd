"""What job=build shows on any terminal and with hostile texts: catalogue, mixture, pictures, real examples."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ecomgpt.common.errors import UserError
from ecomgpt.config import files
from ecomgpt.config.schema import Config
from ecomgpt.data.prepared import Prepared
from ecomgpt.data.preview import ANSWER, preview
from ecomgpt.job import build
from ecomgpt.plan.configuration import configured
from ecomgpt.reporting import mixture as pictures
from ecomgpt.reporting import sources
from ecomgpt.runtime.directory import Run
from ecomgpt.sources.catalog import load_catalog
from ecomgpt.tasks.chain import SORTS, as_csv
from ecomgpt.tasks.declaration import load_tasks

Made = tuple[Config, Run, Prepared, list[sources.CatalogueEntry], list[Path]]
TITLES = ("title", "_left_title", "_right_title")
HOSTILE = "[bold red]sale[/] \x1b]0;owned\x07 \x1b[2J <b>50%</b>"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A run over one small dataset of the user's own, whose texts try to command the terminal."""
    root = tmp_path_factory.mktemp("shop")
    folder = root / "conf" / "sources" / "datasets"
    folder.mkdir(parents=True)
    (folder / "own.yaml").write_text(
        """
name: own
title: Own
language: en
licence: none
citation: none
homepage: none
obtain: Ask us [link=http://x]here[/link].
family: sentiment_classification
records: [LabelledText]
reader: jsonl
files: {"": [own.jsonl]}
columns: {text: text, sentiment: mood}
labels: {sentiment: {good: positive, bad: negative}}
""",
        encoding="utf-8",
    )
    raw = root / "raw" / "own"
    raw.mkdir(parents=True)
    lines = [json.dumps({"text": f"{HOSTILE} number {n}", "mood": "good" if n % 2 else "bad"}) for n in range(60)]
    (raw / "own.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = configured(
        [
            "job=build",
            "sources=open",
            "sources.datasets=[own,jddc,mepave]",
            "eval=none",
            f"paths.data={root}",
            f"paths.conf={root / 'conf'}",
            f"paths.cache={root / 'cache'}",
            "data.max_examples_per_task=10",
            "preview=2",
        ],
        files.search_roots([str(root / "conf")]),
    )
    run = Run(root / "run")
    run.path.mkdir()
    listed = build.catalogued(config)
    prepared = build.build(config, run)
    return config, run, prepared, listed, build.write(config, run, prepared, listed)


def printed(width: int, *things: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=False).print(*things)
    return stream.getvalue()


def test_what_is_found_and_missing_and_how_to_get_it(made: Made) -> None:
    _, _, prepared, listed, _ = made
    assert [(source.dataset.name, source.state) for source in listed] == [
        ("own", "found"),
        ("mepave", "left out"),
        ("jddc", "missing"),
    ]
    for width in (40, 60, 120):
        text = printed(width, sources.table(listed, prepared.manifest))
        assert max(len(line) for line in text.split("\n")) <= width
        joined = "".join(text.split())
        assert (
            "Needsaregistrationatjddc.jd.com" in joined
            and "60read=60kept" in joined
            and "include_excluded=[mepave]" in joined
        )


def test_nothing_found_still_lists_everything(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(["job=build", "sources=open", f"paths.data={tmp_path}"])
    with pytest.raises(UserError, match=r"none of the \d+ datasets is in"):
        build.main(config, Run(tmp_path / "run"))
    text = capsys.readouterr().out
    names = {dataset.name for dataset in load_catalog() if dataset.reader != "demo"}
    assert all(name in text for name in names)


def test_files_for_people_and_programs(made: Made) -> None:
    _, run, prepared, _, written = made
    assert all(path.is_file() and path.stat().st_size for path in written)
    assert [path.name for path in written[:3]] == ["chain.png", "tasks.png", "lengths.png"]
    edges = list(csv.DictReader((run.path / "data" / "chain.csv").open(encoding="utf-8")))
    used = {task["name"].split(".")[1] for task in prepared.manifest["tasks"]}
    assert {edge["task"] for edge in edges} == used and all(edge["made_by"] in SORTS for edge in edges)
    examples = {edge["task"]: int(edge["examples"]) for edge in edges}
    assert sum(examples.values()) == prepared.manifest["examples"]
    (own, *_) = csv.DictReader((run.path / "data" / "sources.csv").open(encoding="utf-8"))
    assert (own["name"], own["read"], own["kept"]) == ("own", "60", "60")


@pytest.mark.parametrize("width", [30, 80])
def test_a_preview_obeys_no_text(made: Made, width: int) -> None:
    _, _, prepared, _, _ = made
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system="truecolor", highlight=False)
    preview(prepared, 2, console)
    text = stream.getvalue()
    assert "\x1b]0;" not in text and "\x1b[2J" not in text and "\x07" not in text
    plain = "".join(part.split("m", 1)[-1] if place else part for place, part in enumerate(text.split("\x1b[")))
    assert "[boldred]sale[/]" in "".join(plain.split())
    examples = prepared.examples("train")
    shown = sum(min(2, int((examples.tasks == task).sum())) for task in np.unique(examples.tasks))
    assert plain.count("### Response:") >= shown or width == 30
    assert f"{shown:,} examples" in " ".join(plain.split())
    style = console.get_style(ANSWER).render("x", color_system=console._color_system).split("x")[0]
    assert text.count(style) >= shown + 1


def test_pictures_of_the_whole_catalogue_cut_nothing_off(tmp_path: Path) -> None:
    tasks = load_tasks()
    manifest = {
        "tasks": [
            {
                "name": f"d.{task.name}",
                "family": task.family,
                "kind": task.kind,
                "operation": task.operation,
                "label": task.label,
                "language": language,
            }
            for task in tasks
            for language in ("en", "zh")
        ]
    }
    lengths, answers = np.arange(20, 420), np.arange(400) % 30 + 2
    figures = [
        pictures.chain(tasks),
        pictures.tasks_by_family(manifest),
        pictures.token_lengths(lengths, answers, np.arange(400) % 2 == 0),
    ]
    for figure in figures:
        assert figure is not None
        figure.draw_without_rendering()
        page = figure.bbox
        for axes in figure.axes:
            # A logarithmic axis also holds labels beyond its ends, which are never drawn.
            labels = (
                []
                if axes.get_xscale() == "log" or not axes.axison
                else [*axes.get_xticklabels(), *axes.get_yticklabels()]
            )
            texts = [*axes.texts, *labels, *(getattr(axes, name) for name in TITLES)]
            texts = [text for text in texts if text.get_visible() and text.get_text().strip()]
            assert texts
            for text in texts:
                box = text.get_window_extent()
                inside = (
                    page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1 and page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1
                )
                assert inside or box.width == 0, (text.get_text(), box, page)


def test_empty_pictures_are_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "chain.png").write_bytes(b"old")
    none = np.zeros(0, dtype=np.int32)
    assert pictures.draw(tmp_path, [], {"tasks": []}, none, none, none.astype(bool)) == []
    assert not Path(tmp_path / "chain.png").exists()


def test_the_chain_as_csv_has_a_row_an_edge() -> None:
    tasks = load_tasks()
    names = {task.name: 1 for task in tasks}
    rows = list(csv.DictReader(io.StringIO(as_csv(tasks, names, names))))
    assert len(rows) == sum(max(1, len(task.serves)) for task in tasks)
    assert {row["task"] for row in rows} == set(names)
