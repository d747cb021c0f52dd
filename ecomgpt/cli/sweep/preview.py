"""What a sweep would do, without doing it: its jobs, how they differ, what they need, and what is done already."""

import contextlib
import dataclasses
import statistics
from pathlib import Path
from typing import Any

from ecomgpt.cli.sweep.plan import Sweep
from ecomgpt.cli.sweep.results import Job, jobs
from ecomgpt.cli.sweep.table import STYLES, elapsed
from ecomgpt.common.errors import JobFailure, UserError
from ecomgpt.common.units import duration, size
from ecomgpt.config import compose
from ecomgpt.config.flat import differing, distinguishing_keys, flat
from ecomgpt.config.schema import Config
from ecomgpt.job.plan import steps_of, training_time
from ecomgpt.plan.configuration import configured
from ecomgpt.plan.measure import Measured, measure
from ecomgpt.plan.preflight import fits, need
from ecomgpt.runtime.machine import Machine, machine


def preview(sweep: Sweep, roots: list[Path]) -> None:
    """Prints one row per job and starts none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if sweep.jobs is None:
        console.print(
            f"{sweep.sweeper.rsplit('.', 1)[-1]} draws the jobs as it goes; they can't be listed before.", markup=False
        )
        return
    here = machine(configured([], roots))
    everything = jobs(sweep)
    planned = everything[: len(sweep.jobs)]
    configs = [_config(job, roots) for job in planned]
    shown = differences([config for config in configs if isinstance(config, Config)])
    measured: dict[str, Measured | None] = {}
    view = Table(title=Text(f"{len(planned)} jobs in {sweep.folder}"), title_justify="left")
    for column in ("job", *shown, "state", "memory per device", "time"):
        view.add_column(column, overflow="fold")
    for job, config in zip(planned, configs, strict=True):
        state = Text(job.state, style=STYLES.get(job.state, "dim"))
        if isinstance(config, str):
            view.add_row(Text(job.name), *("" for _ in shown), Text(f"can't run: {config}", style="red"))
            continue
        values = _flat(config)
        cells = [Text(str(values.get(key, ""))) for key in shown]
        view.add_row(
            Text(job.name),
            *cells,
            state,
            _memory(config, here),
            _time(job, config, everything, sweep) or _measured_time(config, here, measured),
        )
    console.print(view)
    wrong = sum(isinstance(config, str) for config in configs)
    done = sum(job.state == "done" for job in planned)
    console.print(
        f"{len(planned) - done - wrong} to run, {done} done already"
        + (f", {wrong} can't run" if wrong else "")
        + f". Nothing was started. To run it:\n{sweep.command}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def differences(configs: list[Config]) -> list[str]:
    """The keys that tell the jobs apart."""
    everything = [_flat(config) for config in configs]
    return distinguishing_keys(everything, differing(everything))


def _config(job: Job, roots: list[Path]) -> Config | str:
    overrides = [item for item in job.overrides if not item.startswith("hydra")]
    try:
        return configured(overrides, roots)
    except UserError as error:
        return str(error).split("\n")[0]


def _flat(config: Config) -> dict[str, Any]:
    return flat(dataclasses.asdict(config))


def _memory(config: Config, here: Machine) -> Any:
    from rich.text import Text

    wanted = need(config, here) if config.job.name in ("run", "fit") else None
    if wanted is None:
        return "-"
    text = size(wanted.device)
    return Text(text, style="green") if fits(config, here) else Text(f"{text}, does not fit", style="red")


def _time(job: Job, config: Config, everything: list[Job], sweep: Sweep) -> str:
    """Time of a finished job; of another, that of finished jobs with its model and steps, or empty without any."""
    if job.state == "done":
        return elapsed(job)
    done = (other for other in everything if other.state == "done" and other.status.get("finished"))
    known = [other.seconds for other in done if other.seconds and _alike(other, config, sweep)]
    return f"about {duration(statistics.median(known))}" if known else ""


def _measured_time(config: Config, here: Machine, known: dict[str, Measured | None]) -> str:
    """Training time by a few measured steps (``measure=true``), shared by jobs of a shape, or why it is unknown."""
    if not config.measure or config.job.name not in ("run", "fit") or not fits(config, here):
        return "not known yet"
    steps, why = steps_of(config)
    if steps is None:
        return f"not known: {why}"
    shape = repr((config.model, config.tuning, config.strategy, config.trainer, config.data.max_length))
    if shape not in known:
        print(f"measuring the speed of {config.model.name} ...", flush=True)
        known[shape] = None
        with contextlib.suppress(JobFailure):
            known[shape] = measure(config)
    found = known[shape]
    return f"training about {training_time(config, steps, found)}" if found else "not known: measuring failed"


def _alike(other: Job, config: Config, sweep: Sweep) -> bool:
    try:
        theirs = compose.load(sweep.folder / other.name / "config.yaml")
    except UserError:
        return False
    return (
        theirs.model == config.model
        and theirs.trainer.max_steps == config.trainer.max_steps
        and theirs.eval == config.eval
    )
