"""What an evaluation suite keeps out of the training data."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from ecomgpt.common.hashing import file_hash, value_hash
from ecomgpt.config.schema import Config
from ecomgpt.data.instructions import catalog, data_root
from ecomgpt.data.protect import Protection
from ecomgpt.eval.mixture import mixture_tasks
from ecomgpt.eval.suite import load_rows, mixture_rows
from ecomgpt.eval.task import EvalTask, load_eval_tasks
from ecomgpt.sources.catalog import locate


def protection(config: Config) -> Protection:
    """What the evaluation suite keeps out of training: tasks by name, and the texts of its rows."""
    tasks = load_eval_tasks(config.eval.tasks, config.paths.conf)
    # Both languages' evaluation tasks hold the same task out.
    held_out = list(
        dict.fromkeys(task.task for task in tasks if task.format == "mixture" and task.held_out and task.task)
    )
    selection = {key: getattr(config.eval, key) for key in ("mixture", "limit", "candidates", "max_candidates")}
    key = value_hash(
        [selection, [task.model_dump() for task in tasks], [file_hash(path) for path in _files(config, tasks)]]
    )
    return Protection(config.eval.name, held_out, key, lambda: _texts(config, tasks))


def _files(config: Config, tasks: list[EvalTask]) -> Iterator[Path]:
    """The files that the suite's rows are made from."""
    for task in tasks:
        if task.format == "released":
            yield from sorted((data_root(config.paths) / str(task.folder)).glob("*.json"))
    names = sorted({task.task.split(".")[0] for task in tasks if task.format == "mixture" and task.task})
    for dataset in catalog(config.sources, config.paths.conf, names):
        yield from (path for _, path in locate(dataset, data_root(config.paths)))


def _texts(config: Config, tasks: list[EvalTask]) -> list[tuple[str, str]]:
    """The suite's texts by task: all rows of released sets, and the selected rows of tasks from the mixture."""
    everything = dataclasses.replace(config, eval=dataclasses.replace(config.eval, limit=None))
    released = {task.name: load_rows(task, everything) for task in tasks if task.format == "released"}
    made = mixture_rows([*tasks, *mixture_tasks(config, {})], config)
    return [(name, row.text) for name, rows in {**released, **made}.items() for row in rows]
