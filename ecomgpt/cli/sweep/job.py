"""One job of a sweep: a child process in a directory of its own, whatever Hydra launcher calls it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from ecomgpt.cli.sweep.plan import named
from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json, write_json
from ecomgpt.common.log import now
from ecomgpt.config.schema import Config
from ecomgpt.plan import configuration
from ecomgpt.run.directory import Run, alive, open_run
from ecomgpt.run.process_group import PARENT

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
    name = named(overrides, json.loads(os.environ.get(SHARED, "[]")))
    run = Run(folder / name)
    try:
        # Settled in time of the launch: the configuration's own values are for single runs.
        with open_dict(raw):
            OmegaConf.update(raw, "name", name)
            OmegaConf.update(raw, "paths.output", str(folder))
        config = configuration.checked(raw)
        if run.status().get("state") != "done" or config.overwrite:
            _run(config, overrides)
    except (UserError, OSError) as error:
        if alive(run.status()):  # Another command works in it: what it says of its job stays true.
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


def _run(config: Config, overrides: list[str]) -> None:
    from ecomgpt.plan.batch import choose_batch

    chosen = choose_batch(config)
    if chosen:
        print(f"  {chosen}", flush=True)
    run = open_run(config, overrides)
    write_json(run.path / "overrides.json", overrides)
    # A session of its own: the terminal's Ctrl-C reaches the job once, from here, and ends it at a step's border.
    with (run.logs / CONSOLE).open("ab") as console:
        child = subprocess.Popen(
            [sys.executable, "-m", "ecomgpt.cli.worker", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            env={**os.environ, PARENT: str(os.getpid())},
        )
    code = _wait(child)
    if code and run.status().get("state") == "running":
        run.update(state="failed", error=_cause(code), finished=now())


def _wait(child: subprocess.Popen) -> int:
    """Waits for the job; before leaving itself, whatever for (submitit ends by SystemExit), lets it save."""
    ended: BaseException | None = None
    while True:
        try:
            code = child.wait()
            break
        except (KeyboardInterrupt, SystemExit) as error:
            if ended is None:
                child.send_signal(signal.SIGINT)
            elif type(error) is KeyboardInterrupt:
                child.send_signal(signal.SIGKILL)
            ended = ended or error
    if ended is not None:
        raise ended
    return code


def _cause(code: int) -> str:
    """What an exit code says where the job itself could not."""
    if code == -signal.SIGKILL:
        return "killed by signal 9 (SIGKILL), often for lack of memory"
    if code < 0:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    return f"ended with exit code {code}"
