"""job=build: the mixture alone, with a table of what is in it and what is missing."""

import dataclasses
from typing import Any

from ecomgpt.config.schema import Config
from ecomgpt.data.build import Prepared, Protection, prepare
from ecomgpt.data.fingerprint import changes
from ecomgpt.errors import UserError
from ecomgpt.eval.task import load_eval_tasks
from ecomgpt.rundir import Run, log, read_json, write_json


def main(config: Config, run: Run) -> None:
    """Builds the mixture and shows it."""
    mixture = build(config, run)
    show(config, mixture)


def build(config: Config, run: Run) -> Prepared:
    """Builds the mixture, or takes it from the cache, and writes its manifest into the run directory."""
    from ecomgpt.model.backbone import load_tokenizer

    with run.stage("build"):
        mixture = prepare(config, protection(config), lambda texts: load_tokenizer(config, texts))
    _require_same(read_json(run.manifest_file), mixture.manifest, run)
    write_json(run.manifest_file, mixture.manifest)
    log.info("mixture %s: %d examples", mixture.manifest["fingerprint"], mixture.manifest["examples"])
    return mixture


def _require_same(old: dict[str, Any], new: dict[str, Any], run: Run) -> None:
    """A run that has begun to train goes on with its own mixture or not at all."""
    begun = run.model.is_dir() or any(run.checkpoints.glob("step-*.ckpt"))
    if not begun or not old or old["fingerprint"] == new["fingerprint"]:
        return
    counts = [
        f"{name}: {old[name]:,} before, {new[name]:,} now" for name in ("examples", "tokens", "target_tokens") if old[name] != new[name]
    ]
    raise UserError(
        "\n".join(
            [
                f"name: '{run.path}' was trained on the mixture {old['fingerprint']}, but the same command now gives "
                f"{new['fingerprint']}; restore what changed, give another name=, or overwrite=true:",
                *changes(old.get("made_of", {}), new["made_of"]), *(counts or ["as many examples and tokens as before"]),
            ]
        )
    )


def protection(config: Config) -> Protection:
    """What the run's evaluation suite keeps from training: tasks by name, released sets by text."""
    from ecomgpt.eval.suite import load_rows

    tasks = load_eval_tasks(config.eval.tasks, config.paths.conf)
    # All rows of the released sets, not only those that eval.limit would ask.
    everything = dataclasses.replace(config, eval=dataclasses.replace(config.eval, limit=None))
    held_out = [task.task for task in tasks if task.format == "mixture" and task.held_out and task.task]
    texts = [
        (task.name, row.text)
        for task in tasks
        if task.format == "released"
        for row in load_rows(task, everything)
    ]
    return Protection(config.eval.name, held_out, texts)


def show(config: Config, mixture: Prepared) -> None:
    """Prints the mixture by family, and what is missing or left out."""
    from rich.console import Console
    from rich.table import Table

    console, manifest = Console(), mixture.manifest
    table = Table(title=f"{manifest['data']}: {manifest['examples']:,} examples, {manifest['tokens']:,} tokens")
    for name, side in (("family", "left"), ("tasks", "right"), ("raw", "right"), ("atomic", "right"), ("examples", "right"), ("tokens", "right"), ("cut", "right")):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    families: dict[str, list[dict[str, Any]]] = {}
    for task in manifest["tasks"]:
        families.setdefault(task["family"], []).append(task)
    for family, tasks in sorted(families.items()):
        kinds = [task["kind"] for task in tasks]
        sums = [sum(task[key] for task in tasks) for key in ("examples", "tokens", "truncated")]
        table.add_row(family, str(len(tasks)), str(kinds.count("raw")), str(kinds.count("atomic")), *(f"{value:,}" for value in sums))
    console.print(table)
    contamination = manifest["contamination"]
    console.print(
        f"{len(manifest['tasks'])} tasks from {len(manifest['sources'])} datasets. "
        f"{contamination['removed']} examples held a text of the evaluation suite '{contamination['checked_against']}' and were removed."
    )
    for title, lines in (("Missing", manifest["missing"]), ("Left out", manifest["excluded"])):
        if lines:
            console.print(f"\n{title}:", *(f"  {line}" for line in lines), sep="\n", markup=False, highlight=False)
    if config.preview:
        from ecomgpt.data.preview import preview

        preview(mixture, config.preview, console)
