"""job=plan: what a run needs of memory, time and disk, by part, beside what this machine has; and what would fit."""

import dataclasses
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.common.errors import JobFailure, UserError
from ecomgpt.common.units import duration, size
from ecomgpt.config.schema import Config
from ecomgpt.model.size import parameters
from ecomgpt.plan.memory import Memory, trained_parameters
from ecomgpt.plan.preflight import SIZES, fits, need, of_size
from ecomgpt.run.directory import Run
from ecomgpt.run.machine import Machine, machine

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ecomgpt.plan.measure import Measured

PARTS = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimiser states",
    "activations": "activations",
    "logits": "logits, short-lived",
    "libraries": "libraries",
}
STRATEGIES = (
    ("auto", "single", 0, False),
    ("ddp", "ddp", 0, False),
    ("fsdp", "fsdp", 0, False),
    ("zero1", "deepspeed", 1, False),
    ("zero2", "deepspeed", 2, False),
    ("zero3", "deepspeed", 3, False),
    ("zero3_offload", "deepspeed", 3, True),
)
"""Names for people, kinds, ZeRO stages, offloading."""
QUICK = 20e6
"""Models up to so many parameters take seconds to measure."""
QUICK_STEPS = 21
"""Steps of such a model that are measured, the first to warm up; of others `ecomgpt.plan.measure.STEPS`."""
FULL_ROWS = 0.97
"""Share of a row's tokens that packing fills."""


def main(config: Config, run: Run | None) -> None:
    """Prints the plan."""
    from rich.console import Console

    from ecomgpt.model.locate import shaped

    config = dataclasses.replace(config, model=shaped(config))
    console, here = Console(), machine(config)
    config = _batch(config, here, console)
    total = parameters(config.model)
    console.print(f"[bold]{config.model.name}[/bold]" + (f": {total:,} parameters" if total else ""), highlight=False)
    wanted = need(config, here)
    if wanted is not None:
        _show_memory(config, here, wanted, console)
        _show_disk(config, console)
    else:
        console.print(
            "Memory: unknown, because the model's shape is not declared (model.hidden_size, layers, heads, vocabulary)."
        )
    _show_places(config, console)
    for tuning in ("full", "lora"):
        console.print(sizes_table(config, here, tuning))
    console.print(
        "Memory a device for training; + fits here. Estimates are within 15 % of measured peaks: docs/planning.md",
        highlight=False,
    )
    # Last, because it may take minutes: everything else is on the screen already.
    _show_time(config, here, console)


def _batch(config: Config, here: Machine, console: "Console") -> Config:
    from ecomgpt.plan.batch import choose

    if config.trainer.batch != "auto":
        return config
    rows, again, line = choose(config, here)
    console.print(line, highlight=False)
    return dataclasses.replace(
        config, trainer=dataclasses.replace(config.trainer, micro_rows=rows, gradient_checkpointing=again)
    )


def _show_memory(config: Config, here: Machine, wanted: Memory, console: "Console") -> None:
    from rich.table import Table

    trainer = config.trainer
    devices = trainer.devices * trainer.nodes
    row = trainer.row_tokens or config.data.max_length
    table = Table(
        "memory", "a device", caption=f"{trainer.micro_rows or 1} x {row:,} tokens at once", title_justify="left"
    )
    table.columns[1].justify = "right"
    for name, text in PARTS.items():
        table.add_row(text, size(getattr(wanted, name)))
    table.add_row("in all", size(wanted.device), style="bold")
    if wanted.host:
        table.add_row("main memory, all devices", size(wanted.host))
    console.print(
        f"strategy={config.strategy.name}, tuning={config.tuning.name}, precision {_precision(config, here)}, {devices} device(s)",
        highlight=False,
    )
    console.print(table)
    # Processes on a CPU share its memory.
    shared = not here.devices and trainer.devices > 1
    asked = f", {trainer.devices} processes take {size(wanted.device * trainer.devices)}" if shared else ""
    found = f"{here.devices} x {size(here.device_bytes)}" if here.devices else size(here.device_bytes)
    console.print(f"This machine: {here.name}, {found}{asked}: {_verdict(config, here)}", highlight=False)


def _verdict(config: Config, here: Machine) -> str:
    if not fits(config, here):
        return "[red]does not fit[/red]"
    if here.devices and here.devices < config.trainer.devices:
        return f"[yellow]fits, but trainer.devices={config.trainer.devices}[/yellow]"
    return "[green]fits[/green]"


def _precision(config: Config, here: Machine) -> str:
    from ecomgpt.strategy.build import halves

    given = config.trainer.precision
    return given if given != "auto" else "16-bit mixed" if halves(config, here.devices > 0, here.bfloat16) else "fp32"


def _show_disk(config: Config, console: "Console") -> None:
    one = checkpoint_bytes(config)
    # One more is written before the oldest one goes.
    number = config.trainer.keep_checkpoints + 1
    model = (parameters(config.model) or 0) * 4
    free = shutil.disk_usage(_existing(Path(config.paths.output or "."))).free
    enough = "" if number * one + model < free else " [red]too little[/red]"
    console.print(
        f"Disk: {number} checkpoints of {size(one)} and the model, {size(number * one + model)} in all; free: {size(free)}{enough}",
        highlight=False,
    )


def checkpoint_bytes(config: Config) -> float:
    """Weights in float32 and AdamW's two moments of those that are trained; DeepSpeed adds its float32 master weights."""
    trained = trained_parameters(config)
    return (parameters(config.model) or 0) * 4 + trained * (12 if config.strategy.kind == "deepspeed" else 8)


def _show_time(config: Config, here: Machine, console: "Console") -> None:
    """Measured on the real model where it fits; a speed that nobody measured is not made up."""
    steps, why = steps_of(config)
    hindered = _not_measured(config, here)
    if hindered:
        console.print(f"Speed: not measured ({hindered}). Steps: {steps if steps else why}.", highlight=False)
        return
    from ecomgpt.plan.measure import STEPS, measure

    quick = (parameters(config.model) or math.inf) <= QUICK
    trial = QUICK_STEPS if quick else STEPS
    hint = "" if quick or config.measure else " This may take minutes; measure=false leaves it out."
    console.print(f"Speed: measuring {trial - 1} steps on random weights ...{hint}", highlight=False)
    try:
        found = measure(config, trial)
    except JobFailure as error:
        if config.measure:
            raise UserError(f"measure: the trial failed: {error}") from error
        console.print(f"Speed: not measured, the trial failed: {error}", highlight=False, markup=False)
        return
    console.print(
        f"Speed: {found.tokens_per_second:,.0f} tokens/s, measured over {trial - 1} steps of {found.step_tokens:,} tokens; "
        f"highest memory of a process {size(found.peak_bytes)}",
        highlight=False,
    )
    if steps is None:
        console.print(f"Time: unknown, because the number of steps is ({why}).", highlight=False)
    else:
        took = training_time(config, steps, found)
        console.print(f"Time: {steps:,} steps of {config.trainer.batch_tokens:,} tokens, about {took}", highlight=False)


def _not_measured(config: Config, here: Machine) -> str:
    """Why the speed is not measured; empty: it is."""
    if config.measure is False:
        return "measure=false"
    if not fits(config, here):
        return "it would not fit here"
    if config.trainer.nodes > 1:
        return "it takes several machines"
    if here.devices and here.devices < config.trainer.devices:
        return f"there are {here.devices} devices"
    wanted = need(config, here)
    if (
        config.measure is None
        and not here.devices
        and (wanted is None or wanted.device * config.trainer.devices + wanted.host > _free())
    ):
        # The run itself would be let go ahead, but nobody asked for a trial that may push other programs out of memory.
        return "other programs hold the memory that it takes; measure=true tries it all the same"
    return ""


def _free() -> int:
    """Main memory that no program holds, in bytes."""
    import psutil

    return psutil.virtual_memory().available


def training_time(config: Config, steps: int, found: "Measured") -> str:
    """How long so many steps take at a measured speed."""
    return duration(steps * config.trainer.batch_tokens * FULL_ROWS / found.tokens_per_second)


def steps_of(config: Config) -> tuple[int | None, str]:
    """Optimiser steps of the run, or why nobody knows."""
    from ecomgpt.data.pipeline import prepared_before
    from ecomgpt.eval.protection import protection
    from ecomgpt.model.tokenizer import tokenizer_of

    if config.trainer.max_steps:
        return config.trainer.max_steps, ""
    try:
        manifest = prepared_before(config, protection(config), tokenizer_of(config))
    except UserError as error:
        return None, f"the mixture can't be built yet: {error.problems[0].split(chr(10))[0]}"
    if manifest is None:
        return None, "the mixture was not built yet: job=build"
    return math.ceil(config.trainer.epochs * manifest["tokens"] / FULL_ROWS / config.trainer.batch_tokens), ""


def _show_places(config: Config, console: "Console") -> None:
    from ecomgpt.data.instructions import find
    from ecomgpt.model.locate import locate

    if config.model.source == "load":
        found = locate(config)
        console.print(
            f"Weights: {found.path or 'not found'}; looked at {', '.join(found.looked)}", highlight=False, markup=False
        )
    data = find(config)
    console.print(
        f"Data: {len(data.datasets)} datasets found, {len(data.missing)} missing, {len(data.excluded)} left out (job=build lists them)",
        highlight=False,
    )


def sizes_table(config: Config, here: Machine, tuning: str) -> "Table":
    """Every size with every strategy: memory a device, and whether it fits on this machine."""
    from rich.table import Table

    devices = (
        max(2, config.trainer.devices * config.trainer.nodes, here.devices)
        if here.devices or config.trainer.devices > 1
        else 8
    )
    table = Table(
        "size",
        title=f"tuning={tuning}; auto: one device, the others: {devices}",
        title_justify="left",
        padding=(0, 0),
        pad_edge=False,
    )
    for name, *_ in STRATEGIES:
        table.add_column(name, justify="right")
    for label, *shape in SIZES:
        cells = [
            _cell(config, here, of_size(config.model, *shape), tuning, strategy, devices) for strategy in STRATEGIES
        ]
        table.add_row(label, *cells)
    return table


def _cell(
    config: Config, here: Machine, model: Any, tuning: str, strategy: tuple[str, str, int, bool], devices: int
) -> str:
    name, kind, stage, offload = strategy
    count = 1 if kind == "single" else devices
    option = dataclasses.replace(
        config,
        model=model,
        tuning=dataclasses.replace(config.tuning, name=tuning),
        strategy=dataclasses.replace(
            config.strategy, name=name, kind=kind, stage=stage, offload_optimizer=offload, offload_parameters=offload
        ),
        trainer=dataclasses.replace(config.trainer, devices=count, nodes=1),
    )
    wanted = need(option, here)
    assert wanted is not None
    ok = fits(option, here) and (count == 1 or not here.devices or here.devices >= count)
    return f"[green]{size(wanted.device)} +[/green]" if ok else f"{size(wanted.device)}  "


def _existing(path: Path) -> Path:
    path = path.expanduser().absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())
