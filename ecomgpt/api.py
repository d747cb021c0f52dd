"""What `ecomgpt` offers to Python: jobs as functions that return and raise.

Every function takes arguments of the command line (``"data=no_atomic"``, ``"seed=2"``), or one `Config` from `compose`.
A script calls them under ``if __name__ == "__main__":``, because building a mixture starts processes that import the
script again.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.cli.launch import start
from ecomgpt.common.errors import JobFailure, UserError
from ecomgpt.common.files import read_json
from ecomgpt.config import rules
from ecomgpt.config.schema import Config, JobConfig
from ecomgpt.plan import configuration
from ecomgpt.runtime import torchrun
from ecomgpt.runtime.directory import Run
from ecomgpt.runtime.script import require_main_guard

if TYPE_CHECKING:
    from ecomgpt.data.prepared import Prepared

__all__ = ["Config", "JobFailure", "Result", "UserError", "build", "compose", "evaluate", "report", "run", "train"]


@dataclass(frozen=True)
class Result:
    """What a job left behind.

    Attributes:
        directory: The run directory; for jobs without one, the folder that they write into.
        config: The configuration, with what ``auto`` stood for.
        scores: Task to metric to value, mostly shares from 0 to 1; empty before an evaluation.
        averages: Group of tasks (``all``, ``held_out``, ...) to metric to value.
        training: Facts of the training: ``steps``, ``tokens``, ``final_loss``, ``tokens_per_second``, ...
    """

    directory: Path
    config: Config
    scores: dict[str, dict[str, float]]
    averages: dict[str, dict[str, float]]
    training: dict[str, Any]

    @property
    def metrics(self) -> dict[str, Any]:
        """All of ``metrics.json``: intervals, baselines, and the untrained model beside the trained one."""
        return read_json(Run(self.directory).metrics_file)


def compose(*overrides: str) -> Config:
    """Composes and checks a configuration.

    Args:
        overrides: ``group=option`` and ``key=value``, as on the command line.

    Raises:
        UserError: With everything that is wrong.
    """
    if odd := [item for item in overrides if not isinstance(item, str)]:
        raise UserError(f"{odd[0]!r:.80} is no text; give overrides one by one, such as 'seed=2', 'data=no_atomic'")
    return configuration.configured(torchrun.overrides(list(overrides)))


def build(*given: str | Config) -> "Prepared":
    """Builds a mixture, or takes it from the cache; makes no run directory.

    Args:
        given: A configuration, or overrides as for `compose`.

    Returns:
        The mixture: ``manifest`` (tasks and counts), ``tokenizer``, and ``examples("train")`` with their tokens.

    Raises:
        UserError: For mistakes in configuration or data.
    """
    from ecomgpt.job.mixture import prepared

    require_main_guard()
    return prepared(_configured("build", given)[0])


def train(*given: str | Config) -> Result:
    """Builds the mixture and trains on it (``job=fit``); see `run`."""
    return _run("fit", given)


def evaluate(*given: str | Config) -> Result:
    """Evaluates a trained run (``run=<directory>``) or a backbone as it is (``job=evaluate``); see `run`."""
    return _run("evaluate", given)


def report(*given: str | Config) -> Result:
    """Writes the report of a run (``run=``) again, or one of several (``runs=[...]``) (``job=report``); see `run`."""
    return _run("report", given)


def run(*given: str | Config) -> Result:
    """Runs a job to its end: by default builds, trains, evaluates and reports.

    Args:
        given: Overrides as for `compose`, among them ``job=`` for another job, or a configuration.

    Returns:
        Where everything lies, and the scores.

    Raises:
        UserError: For mistakes in configuration or input.
        JobFailure: If the job failed; the run directory's ``logs/run.log`` holds the traceback.
        KeyboardInterrupt: If it was interrupted; the same call with the same ``name=`` continues.
    """
    return _run(None, given)


def _run(job: str | None, given: tuple[str | Config, ...]) -> Result:
    require_main_guard()
    config, command = _configured(job, given)
    worked = start(config, command) or Run(Path(config.paths.output or "./outputs").expanduser())
    metrics = read_json(worked.metrics_file)
    groups = {name: _values(group["metrics"]) for name, group in metrics.get("averages", {}).items()}
    tasks = {name: _values(task["metrics"]) for name, task in metrics.get("tasks", {}).items()}
    return Result(worked.path, config, tasks, groups, read_json(worked.training_file))


def _configured(job: str | None, given: tuple[str | Config, ...]) -> tuple[Config, list[str]]:
    """The configuration of a job, and the command line that it stands for."""
    overrides = [f"job={job}"] if job else []
    if not any(isinstance(item, Config) for item in given):
        overrides += given  # type: ignore[arg-type]  # `compose` refuses what is no text.
        return compose(*overrides), overrides
    if len(given) != 1:
        raise UserError("give one configuration, or overrides; ecomgpt.compose takes the overrides of a configuration")
    config = copy.deepcopy(given[0])
    assert isinstance(config, Config)
    if job:
        config.job = JobConfig(job)
    if found := [*rules.problems(config), *configuration.problems(config)]:
        raise UserError(*found)
    return config, [f"job={config.job.name}"]


def _values(metrics: dict[str, dict[str, float]]) -> dict[str, float]:
    return {name: metric["value"] for name, metric in metrics.items()}
