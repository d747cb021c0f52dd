"""The model card: how a model was made, its scores, its training data and their terms; the text is in ``templates``."""

from pathlib import Path

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
        settings=metrics.get("settings", {}),
        data_licences=[
            f"{known[name].title}: {known[name].licence}" if name in known else f"{name}: not stated"
            for name in manifest.get("sources", {})
        ],
    )
