"""One job of a sweep: a child process in a directory of its own, whatever Hydra launcher calls it."""

import json
import os
import signal
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from ecomgpt.cli.launch import start
from ecomgpt.cli.sweep.plan import directory_name
from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json, write_json
from ecomgpt.common.log import now
from ecomgpt.config.schema import Config
from ecomgpt.plan import configuration
from ecomgpt.runtime.directory import Run, alive
from ecomgpt.runtime.process_group import start_process, wait

SHARED = "ECOMGPT_SWEEP_SHARED"
"""Environment variable with the keys that all jobs share: launchers may start jobs in other processes."""
CONSOLE = "console.txt"
"""What a job prints, in its ``logs/``: the screen belongs to the sweep's table."""


def run_job(raw: DictConfig) -> float | None:
    """Runs one job unless it is done; called by Hydra's launcher.

    Returns:
        The macro average over the suite's tasks, for sweepers that optimise.
    """
    settings = HydraConfig.get()
    overrides = list(settings.overrides.task)
    folder = Path(settings.sweep.dir)
    name = directory_name(overrides, json.loads(os.environ.get(SHARED, "[]")))
    run = Run(folder / name)
    try:
        # Settled in time of the launch: the configuration's own values are for single runs.
        with open_dict(raw):
            OmegaConf.update(raw, "name", name)
            OmegaConf.update(raw, "paths.output", str(folder))
        config = configuration.checked(raw)
        if run.status().get("state") != "done" or config.overwrite:
            start(config, overrides, in_child)
    except (UserError, OSError) as error:
        if alive(run.status()):  # Another command works in it, and its status stays as it is.
            return None
        run.path.mkdir(parents=True, exist_ok=True)
        run.update(
            state="failed",
            stage="start",
            error=str(error),
            started=run.status().get("started") or now(),
            finished=now(),
        )
    write_json(run.path / "overrides.json", overrides)
    average = read_json(run.metrics_file).get("averages", {}).get("all", {}).get("metrics", {}).get("primary", {})
    return average.get("value")


def in_child(config: Config, run: Run) -> None:
    """Runs the job in a child process, whose output goes to a file."""
    write_json(run.path / "overrides.json", list(HydraConfig.get().overrides.task))
    with (run.logs / CONSOLE).open("ab") as console:
        child = start_process(run, "ecomgpt.cli.launch:execute", output=console)
    [(_, code)], interruption = wait([child])
    if interruption is not None:
        raise interruption
    if code and run.status().get("state") == "running":
        run.update(state="failed", error=cause_of_death(code), finished=now())


def cause_of_death(code: int) -> str:
    """What an exit code says where the job itself could not."""
    if code >= 0:
        return f"ended with exit code {code}"
    hint = ", often for lack of memory" if code == -signal.SIGKILL else ""
    return f"killed by signal {-code} ({signal.Signals(-code).name}){hint}"
