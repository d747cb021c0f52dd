"""The model card: how a model was made, its scores, its training data and their terms; the text is in ``templates``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecomgpt.common.files import read_json
from ecomgpt.config.schema import Config
from ecomgpt.runtime.directory import Run

SHOWN = 60
"""Tasks of the mixture that the card lists; the manifest has all."""


def write_card(run: Run, config: Config) -> None:
    """Rewrites the card of ``model/`` if there is a model: after an evaluation it has scores."""
    if (run.model / "config.json").is_file():
        (run.model / "README.md").write_text(card(run, config), encoding="utf-8")


def card(run: Run, config: Config, adapter: bool = False) -> str:
    """The card as Markdown with the hub's front matter.

    Args:
        run: Has the manifest, metrics and environment.
        config: The run's configuration.
        adapter: True if the folder holds a peft adapter instead of a whole model.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from ecomgpt.sources.catalog import load_catalog

    manifest, metrics = read_json(run.manifest_file), read_json(run.metrics_file)
    known = {dataset.name: dataset for dataset in load_catalog(None, config.paths.conf)}
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["points"] = lambda value: "–" if value is None else f"{100 * value:.1f}"
    return templates.get_template("card.md.j2").render(
        adapter=adapter,
        config=config,
        model=config.model,
        licence=config.model.licence,
        environment=read_json(run.path / "environment.json"),
        manifest=manifest,
        tasks=manifest.get("tasks", []),
        shown=SHOWN,
        contamination=manifest.get("contamination", {}),
        metrics=metrics,
        scores=(scores := list(_scores(metrics))),
        beaten=[one["task"] for one in scores if one["simple"] is not None and not (one["value"] or 0) > one["simple"]],
        settings=metrics.get("settings", {}),
        data_licences=[
            f"{known[name].title}: {known[name].licence}" if name in known else f"{name}: not stated"
            for name in manifest.get("sources", {})
        ],
    )


def _scores(metrics: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each task's metric of record, beside the model before training and the best answer that needs no model."""
    before, baselines = metrics.get("untrained", {}).get("tasks", {}), metrics.get("baselines", {}).values()
    for name, task in metrics.get("tasks", {}).items():
        metric = task.get("primary") or next(iter(task["metrics"]))
        simple = [one[name][metric] for one in baselines if metric in one.get(name, {})]
        yield {
            "task": name,
            "n": task["n"],
            "metric": metric,
            "before": before.get(name, {}).get("metrics", {}).get(metric, {}).get("value"),
            "simple": max(simple, default=None),
            "invalid": task["metrics"].get("invalid_rate", {}).get("value"),
            **{key: task["metrics"][metric].get(key) for key in ("value", "low", "high")},
        }
