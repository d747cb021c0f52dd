"""The chain of tasks of a run: which basic data its training tasks are made from, how, and which families they feed."""

from __future__ import annotations

import yaml

from ecomgpt.common.errors import UserError
from ecomgpt.report.charts import Drawn
from ecomgpt.report.load import Run


def chain(run: Run) -> Drawn | None:
    """Drawn from the declarations of the tasks that the run's manifest names; None where they are not declared here."""
    from ecomgpt.report import mixture
    from ecomgpt.tasks.declaration import load_tasks

    names = (
        sorted({task.name.split(".", 1)[-1] for task in run.manifest.tasks if task.examples}) if run.manifest else []
    )
    if not names:
        return None
    try:
        tasks = load_tasks(names, _own_folder(run))
    except UserError:  # Trained with declarations of an own folder, or of another version.
        return None
    figure = mixture.chain(tasks)
    if figure is None:
        return None
    caption = f"The {len(names)} kinds of training tasks: basic data, how tasks were made from it, and the families that they feed."
    return Drawn(figure, "The chain of tasks", caption, wide=True)


def _own_folder(run: Run) -> str | None:
    try:
        paths = (yaml.safe_load(run.config) or {}).get("paths") or {}
        return paths.get("conf")
    except (yaml.YAMLError, AttributeError):
        return None
