"""job=build: builds the mixture alone and shows what is in it and what is missing."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json, write_json, write_text
from ecomgpt.common.hashing import code_hash
from ecomgpt.common.log import log
from ecomgpt.config.roots import PACKAGE
from ecomgpt.config.schema import Config
from ecomgpt.data.cache import cached_dir
from ecomgpt.data.fingerprint import changes
from ecomgpt.data.instructions import catalog, data_root, find
from ecomgpt.data.prepared import Prepared
from ecomgpt.job.mixture import prepared
from ecomgpt.reporting import sources
from ecomgpt.runtime.directory import Run
from ecomgpt.sources.catalog import folder
from ecomgpt.sources.dataset import Dataset
from ecomgpt.tasks import chain
from ecomgpt.tasks.declaration import Task, load_tasks


def main(config: Config, run: Run) -> None:
    """Builds the mixture and shows its sources, tasks and figures, and with ``preview`` real examples."""
    listed = catalogued(config)
    if config.sources.fetch and any(source.fetchable for source in listed):
        fetch(config, [source.dataset for source in listed if source.fetchable])
        listed = catalogued(config)
    if not any(source.state == "found" for source in listed):
        Console().print(sources.table(listed))
        raise UserError(
            f"paths.data: none of the {len(listed)} datasets is in '{data_root(config.paths).absolute() / 'raw'}' "
            "(the table above says how to get each). Give paths.data=<folder> or ECOMGPT_DATA, or use sources=demo"
        )
    mixture = build(config, run)
    files = write(config, run, mixture, listed)
    show(config, mixture, listed, files)


def catalogued(config: Config) -> list[sources.CatalogueEntry]:
    """Lists the datasets that the run looks for, with their state on this machine."""
    found = find(config.data, config.sources, config.paths, config.eval.tasks)
    names = [dataset.name for dataset in found.datasets]
    listed = [
        dataset
        for dataset in catalog(config.sources, config.paths.conf, config.sources.datasets)
        if dataset.reader != "demo" or dataset.name in names
    ]
    return sources.sources_of(listed, names, found.excluded, data_root(config.paths))


def fetch(config: Config, datasets: list[Dataset]) -> None:
    """Downloads datasets from the hub into ``<paths.data>/raw/<name>/``."""
    from ecomgpt.sources.readers import hub

    for dataset in datasets:
        log.info("fetching %s from the hub as '%s'", dataset.name, dataset.hub)
        for path in hub.fetch(dataset, folder(dataset, data_root(config.paths))):
            log.info("wrote %s", path)


def build(config: Config, run: Run) -> Prepared:
    """Builds the mixture, or takes it from the cache, and writes its manifest into the run directory."""
    with run.stage("build"):
        mixture = prepared(config)
    _require_same(read_json(run.manifest_file), mixture.manifest, run)
    write_json(run.manifest_file, mixture.manifest)
    log.info("mixture %s: %d examples", mixture.manifest["fingerprint"], mixture.manifest["examples"])
    return mixture


def _require_same(old: dict[str, Any], new: dict[str, Any], run: Run) -> None:
    """Refuses to continue a run that has begun to train when its mixture has changed."""
    begun = run.model.is_dir() or any(run.checkpoints.glob("step-*.ckpt"))
    if not begun or not old or old["fingerprint"] == new["fingerprint"]:
        return
    counts = [
        f"{name}: {old[name]:,} before, {new[name]:,} now"
        for name in ("examples", "tokens", "target_tokens")
        if old[name] != new[name]
    ]
    refusal = (
        f"name: '{run.path}' was trained on the mixture {old['fingerprint']}, but the same command now gives "
        f"{new['fingerprint']}; restore what changed, give another name=, or overwrite=true:"
    )
    what = changes(old.get("made_of", {}), new["made_of"])
    raise UserError("\n".join([refusal, *what, *(counts or ["as many examples and tokens as before"])]))


def write(config: Config, run: Run, mixture: Prepared, listed: list[sources.CatalogueEntry]) -> list[Path]:
    """Writes the mixture's tables (``data/``) and figures (``figures/``).

    Returns:
        The files, in the order in which to look at them.
    """
    manifest = mixture.manifest
    examples, datasets = Counter[str](), Counter[str]()
    for task in manifest["tasks"]:
        name = task["name"].split(".", 1)[1]
        examples[name] += task["examples"]
        datasets[name] += 1
    tasks = load_tasks(sorted(datasets), config.paths.conf)
    data = run.manifest_file.parent
    write_text(data / "chain.csv", chain.as_csv(tasks, examples, datasets))
    write_text(data / "sources.csv", sources.as_csv(listed, manifest))
    return [
        *_figures(run.path / "figures", mixture, tasks),
        data / "chain.csv",
        data / "sources.csv",
        run.manifest_file,
    ]


def _figures(folder: Path, mixture: Prepared, tasks: list[Task]) -> list[Path]:
    """The mixture's figures, drawn once and kept with its tokens: drawing takes longer than finding a mixture."""
    from ecomgpt.reporting.mixture import FIGURES, draw

    tokens = mixture.examples("train")
    kept = cached_dir(
        mixture.folder / "figures" / code_hash(PACKAGE / "reporting"),
        lambda kept: draw(kept, tasks, mixture.manifest, tokens.lengths, tokens.num_targets, tokens.chinese),
    )
    # Figures of an earlier build must not stand beside numbers that they do not show.
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(kept, folder)
    return [folder / f"{name}.png" for name in FIGURES if (folder / f"{name}.png").is_file()]


def show(config: Config, mixture: Prepared, listed: list[sources.CatalogueEntry], files: list[Path]) -> None:
    """Prints the mixture by family and by source, and where to look further."""
    console, manifest = Console(), mixture.manifest
    console.print(sources.table(listed, manifest))
    console.print(families(manifest, narrow=console.width < WIDE))
    by_language = Counter(task["language"] for task in manifest["tasks"])
    both = f" and {by_language['mul']} in both" if by_language["mul"] else ""
    kinds = len({task["name"].split(".", 1)[1] for task in manifest["tasks"]})
    contamination = manifest["contamination"]
    console.print(
        f"{len(manifest['tasks'])} tasks ({kinds} kinds; {by_language['en']} in English, {by_language['zh']} in "
        f"Chinese{both}) from {len(manifest['sources'])} datasets.\n{contamination['removed']:,} examples held a text "
        f"of the evaluation suite '{contamination['checked_against']}' and were removed.",
        markup=False,
        highlight=False,
    )
    if config.preview:
        from ecomgpt.data.preview import preview

        preview(mixture, config.preview, console)
    console.print("Written:", *(f"  {file}" for file in files), sep="\n", markup=False, highlight=False, soft_wrap=True)


WIDE = 100
"""Columns of a terminal that has room for every way in which tasks are made."""


def families(manifest: dict[str, Any], narrow: bool = False) -> Table:
    """The mixture by family: tasks by how they were made, examples, tokens, and examples whose input was cut."""
    table = Table(
        title=f"{manifest['data']}: {manifest['examples']:,} examples, {manifest['tokens']:,} tokens",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_footer=True,
    )
    by_family: dict[str, list[dict[str, Any]]] = {}
    for task in manifest["tasks"]:
        by_family.setdefault(task["family"], []).append(task)
    table.add_column("family", footer="all", min_width=16)
    for name, value in _sums(manifest["tasks"], narrow).items():
        table.add_column(name, footer=f"{value:,}", justify="right", no_wrap=True)
    for family, tasks in sorted(by_family.items()):
        sums = _sums(tasks, narrow).values()
        table.add_row(family.replace("_", " "), *(f"{value:,}" if value else "" for value in sums))
    return table


def _sums(tasks: list[dict[str, Any]], narrow: bool) -> dict[str, int]:
    ways = ("raw", "simplification", "reversal", "recombination", "pseudo")
    made = Counter("raw" if task["kind"] == "raw" else task["operation"] or "pseudo" for task in tasks)
    by_way = dict(zip(("raw", "simpl.", "rev.", "recomb.", "pseudo"), (made[way] for way in ways), strict=True))
    numbers = {"examples": "examples", "tokens": "tokens", "truncated": "cut"}
    return {
        "tasks": len(tasks),
        **({"raw": made["raw"], "atomic": len(tasks) - made["raw"]} if narrow else by_way),
        **{title: sum(task[key] for task in tasks) for key, title in numbers.items()},
    }
