"""From a command line to a configuration that every room has checked, declarations and chat endpoint included."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ecomgpt.chat.rules import problems as chat_problems
from ecomgpt.common.errors import UserError
from ecomgpt.config import compose, files
from ecomgpt.config.schema import Config
from ecomgpt.eval.task import load_eval_tasks
from ecomgpt.pseudo.declaration import load_labellings
from ecomgpt.sources.catalog import load_catalog
from ecomgpt.tasks.declaration import load_tasks


def configured(overrides: list[str], roots: list[Path] | None = None) -> Config:
    """The checked configuration of one command line.

    Args:
        overrides: ``group=option`` and ``key=value``, as on the command line.
        roots: Configuration folders; null for the shipped ones and what ``paths.conf`` names.

    Raises:
        UserError: With everything that is wrong.
    """
    return checked(compose.composed(overrides, roots or files.search_roots(overrides)))


def checked(raw: DictConfig) -> Config:
    """As `ecomgpt.config.compose.checked`, by the rules of every room.

    Raises:
        UserError: With everything that is wrong.
    """
    return compose.checked(raw, problems)


def problems(config: Config) -> list[str]:
    """Every such problem."""
    return [problem for rule in (_declarations, _chat) for problem in rule(config)]


def _declarations(config: Config) -> Iterator[str]:
    """Evaluation tasks that are asked for, and all declarations of the user's own folder.

    Shipped ones are tested with the package.
    """
    own = config.paths.conf
    loaders = {"sources/datasets": load_catalog, "tasks": load_tasks, "pseudo": load_labellings}
    calls: list[Callable[[], Any]] = [lambda: load_eval_tasks(config.eval.tasks, own)]
    if own and any(any((Path(own) / group).rglob("*.yaml")) for group in (*loaders, "eval/tasks")):
        calls += [functools.partial(load, None, own) for load in loaders.values()]
    for call in calls:
        try:
            call()
        except UserError as error:
            yield from error.problems


def _chat(config: Config) -> Iterator[str]:
    asks = config.job.name == "evaluate" and config.model.source == "chat"
    judges = config.job.name == "compare" and config.compare.judge
    yield from chat_problems(config.chat, asks or judges or config.job.name == "pseudo_label")
    if asks and config.eval.backend not in ("auto", "openai", "predictions"):
        yield f"eval.backend={config.eval.backend} can't ask a chat endpoint; use auto"
    if asks and (config.eval.decoding == "rank" or config.eval.beams > 1):
        yield (
            f"model={config.model.name}: a chat endpoint neither ranks candidates nor searches beams; "
            "use eval.decoding=generate eval.beams=1"
        )
    if asks and config.run:
        yield f"run: '{config.run}' holds its own model; leave model={config.model.name} out, or run="
    if config.eval.backend == "openai" and config.model.source != "chat":
        yield f"eval.backend=openai asks a chat endpoint, but model={config.model.name} is none; use model=openai"
