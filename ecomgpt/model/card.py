"""The model card: how a model came to be, what it scores, what its data are and under which terms."""

from typing import Any

from ecomgpt.common.files import read_json
from ecomgpt.config.schema import Config
from ecomgpt.run.directory import Run

SHOWN = 60
"""Tasks of the mixture that the card lists; the manifest holds all."""


def write_card(run: Run, config: Config) -> None:
    """Writes the card of ``model/`` again, where there is a model: after an evaluation it has scores."""
    if (run.model / "config.json").is_file():
        (run.model / "README.md").write_text(card(run, config), encoding="utf-8")


def card(run: Run, config: Config, adapter: bool = False) -> str:
    """The card as Markdown with the hub's front matter.

    Args:
        run: Whose manifest, metrics and environment are told.
        config: The run's configuration.
        adapter: Whether the folder holds a peft adapter and not a whole model.
    """
    manifest, environment = read_json(run.manifest_file), read_json(run.path / "environment.json")
    parts = [
        _front_matter(config, adapter),
        f"# {config.model.name}, instruction-tuned on e-commerce tasks",
        "",
        f"Trained with ecomgpt on the mixture `{config.data.name}`: {manifest.get('examples', 0):,} examples, {manifest.get('tokens', 0):,} tokens, "
        f"{len(manifest.get('tasks', []))} tasks (fingerprint `{manifest.get('fingerprint')}`).",
        "",
        f"- command: `{environment.get('command')}`",
        f"- commit: {environment.get('git_commit')}",
        f"- seed: {config.seed}",
        f"- tuning: {config.tuning.name}" + (", as an adapter (peft)" if adapter else ""),
        "",
        *_use(config, adapter),
        *_scores(read_json(run.metrics_file)),
        *_data(manifest),
        *_licence(config, manifest),
    ]
    return "\n".join(parts) + "\n"


def _front_matter(config: Config, adapter: bool) -> str:
    licence = config.model.licence
    lines = [
        "---",
        f"library_name: {'peft' if adapter else 'transformers'}",
        "pipeline_tag: text-generation",
        "language: [en, zh]",
        *([f"base_model: {config.model.path}"] if config.model.path and config.model.source == "load" else []),
        *([f"license: {licence}"] if licence else []),
        "tags: [e-commerce, instruction-tuning, ecomgpt]",
        "---",
        "",
    ]
    return "\n".join(lines)


def _use(config: Config, adapter: bool) -> list[str]:
    load = (
        "PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(<backbone>), <this folder>)"
        if adapter
        else "AutoModelForCausalLM.from_pretrained(<this folder>)"
    )
    return [
        "## Use",
        "",
        f"`{load}`, with this prompt; the answer follows directly after `### Response:`.",
        "",
        "```",
        "Below is an instruction that describes the <task> task. Write a response that appropriately completes the request.",
        "### Instruction:",
        "<input text>",
        "<instruction>",
        "### Response:",
        "```",
        "",
    ]


def _scores(metrics: dict[str, Any]) -> list[str]:
    """A row for each task and metric, with its 95 % interval."""
    tasks = metrics.get("tasks") or {}
    if not tasks:
        return ["## Scores", "", "Not evaluated yet.", ""]
    settings = metrics.get("settings", {})
    rows = [
        f"| {name} | {task['n']:,} | {metric} | {100 * score['value']:.1f} | {100 * score['low']:.1f} to {100 * score['high']:.1f} |"
        for name, task in tasks.items()
        for metric, score in task["metrics"].items()
        if not metric.startswith("released_")
    ]
    return [
        "## Scores",
        "",
        f"Suite `{settings.get('suite')}`, decoding `{settings.get('decoding')}`, in percent.",
        "",
        "| task | n | metric | value | 95 % interval |",
        "| - | -: | - | -: | - |",
        *rows,
        "",
    ]


def _data(manifest: dict[str, Any]) -> list[str]:
    tasks = manifest.get("tasks", [])
    more = [f"| and {len(tasks) - SHOWN} more | | | | |"] if len(tasks) > SHOWN else []
    contamination = manifest.get("contamination", {})
    return [
        "## Training data",
        "",
        f"{contamination.get('removed', 0):,} examples that held a text of the evaluation suite `{contamination.get('checked_against')}` were removed.",
        "",
        "| task | language | kind | examples | tokens |",
        "| - | - | - | -: | -: |",
        *(
            f"| {task['name']} | {task['language']} | {task['kind']} | {task['examples']:,} | {task['tokens']:,} |"
            for task in tasks[:SHOWN]
        ),
        *more,
        "",
    ]


def _licence(config: Config, manifest: dict[str, Any]) -> list[str]:
    """The backbone's terms and those of each dataset, as its declaration states them."""
    from ecomgpt.sources.catalog import load_catalog

    known = {dataset.name: dataset for dataset in load_catalog(None, config.paths.conf)}
    licence = config.model.licence
    backbone = f"the backbone's ({licence})" if licence else "the backbone's, if it has one"
    lines = [
        f"- {known[name].title}: {known[name].licence}" if name in known else f"- {name}: not stated"
        for name in manifest.get("sources", {})
    ]
    return ["## Licence", "", f"Two sets of terms apply: {backbone}, and those of the training data:", "", *lines, ""]
