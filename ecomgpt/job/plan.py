"""job=plan: what a run needs of memory, time and disk, by part, beside what this machine has; and what would fit."""

import dataclasses
import math
import shutil
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from ecomgpt.common.errors import JobFailure, UserError
from ecomgpt.common.units import duration, size
from ecomgpt.config.check import construct, parse
from ecomgpt.config.roots import declarations
from ecomgpt.config.schema import Config, ModelConfig, StrategyConfig
from ecomgpt.data.instructions import find
from ecomgpt.data.pipeline import prepared_before
from ecomgpt.eval.protection import protection
from ecomgpt.model.locate import locate, with_shape_from_config
from ecomgpt.model.size import parameters
from ecomgpt.model.tokenizer import tokenizer_of
from ecomgpt.plan import measure
from ecomgpt.plan.batch import choose
from ecomgpt.plan.memory import Memory, trained_parameters
from ecomgpt.plan.power import detectable
from ecomgpt.plan.preflight import bloom_sizes, fits, need, of_size
from ecomgpt.runtime.directory import Run
from ecomgpt.runtime.machine import Machine, machine
from ecomgpt.strategy.precision import uses_16bit
from ecomgpt.strategy.registry import strategy_of

PARTS = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer states",
    "activations": "activations",
    "logits": "logits, short-lived",
    "libraries": "libraries",
}
QUICK = 20e6
"""Models of up to so many parameters take seconds to measure."""
QUICK_STEPS = 21
"""Steps of such a model that are measured, the first to warm up; of others `ecomgpt.plan.measure.STEPS`."""
ROWS = 250
"""Rows of a task whose number is not limited."""
SEEDS = (1, 3, 5)
FULL_ROWS = 0.97
"""Share of a row's tokens that packing fills."""


def main(config: Config, run: Run | None) -> None:
    """Prints the plan."""
    config = dataclasses.replace(config, model=with_shape_from_config(config.model, config.paths.models))
    console, here = Console(highlight=False), machine(config)
    if config.trainer.batch == "auto":
        rows, again, line = choose(config, here)
        console.print(line)
        trainer = dataclasses.replace(config.trainer, micro_rows=rows, gradient_checkpointing=again)
        config = dataclasses.replace(config, trainer=trainer)
    total = parameters(config.model)
    console.print(f"[bold]{config.model.name}[/bold]" + (f": {total:,} parameters" if total else ""))
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
        "Memory per device for training; + fits here. Estimates are within 15 % of measured peaks: docs/planning.md"
    )
    _show_power(config, console)
    # Last, because it may take minutes: everything else is on the screen already.
    _show_time(config, here, console)


def _show_power(config: Config, console: Console) -> None:
    """What a comparison of two arms on the suite could show, by the number of seeds."""
    tasks = len(config.eval.tasks)
    if not tasks:
        return
    rows = config.eval.limit or ROWS
    assumed, seeds_shown = "" if config.eval.limit else " (assumed)", " / ".join(map(str, SEEDS))
    found = " / ".join(f"{100 * detectable(tasks * rows, seeds):.1f}" for seeds in SEEDS)
    console.print(
        f"Power: {tasks} tasks x {rows} rows{assumed} x {seeds_shown} seeds: "
        f"a true difference of {found} points between two arms would be found in 4 of 5 cases, if the rows are about "
        "different texts and seeds add 1 point (docs/statistics.md)."
    )


def _show_memory(config: Config, here: Machine, wanted: Memory, console: Console) -> None:
    trainer = config.trainer
    devices = trainer.devices * trainer.nodes
    row = trainer.row_tokens or config.data.max_length
    caption = f"{trainer.micro_rows or 1} x {row:,} tokens at once"
    table = Table("memory", "per device", caption=caption, title_justify="left")
    table.columns[1].justify = "right"
    for name, text in PARTS.items():
        table.add_row(text, size(getattr(wanted, name)))
    table.add_row("in all", size(wanted.device), style="bold")
    if wanted.host:
        table.add_row("main memory, all devices", size(wanted.host))
    console.print(
        f"strategy={config.strategy.name}, tuning={config.tuning.name}, precision {_precision(config, here)}, "
        f"{devices} device(s)"
    )
    console.print(table)
    # Processes on a CPU share its memory.
    shared = not here.devices and trainer.devices > 1
    takes = f", {trainer.devices} processes take {size(wanted.device * trainer.devices)}" if shared else ""
    found = f"{here.devices} x {size(here.device_bytes)}" if here.devices else size(here.device_bytes)
    console.print(f"This machine: {here.name}, {found}{takes}: {_verdict(config, here)}")


def _verdict(config: Config, here: Machine) -> str:
    if not fits(config, here):
        return "[red]does not fit[/red]"
    if here.devices and here.devices < config.trainer.devices:
        return f"[yellow]fits, but trainer.devices={config.trainer.devices}[/yellow]"
    return "[green]fits[/green]"


def _precision(config: Config, here: Machine) -> str:
    given = config.trainer.precision
    if given != "auto":
        return given
    half = uses_16bit(config.trainer, config.model.hidden_size, here.devices > 0, here.bfloat16)
    return "16-bit mixed" if half else "fp32"


def _show_disk(config: Config, console: Console) -> None:
    # Weights in float32 and AdamW's two moments of those that are trained; DeepSpeed adds its float32 master weights.
    states = 12 if strategy_of(config.strategy).own_masters else 8
    one = (parameters(config.model) or 0) * 4 + trained_parameters(config.model, config.tuning) * states
    # One more is written before the oldest one goes.
    number = config.trainer.keep_checkpoints + 1
    whole = number * one + (parameters(config.model) or 0) * 4
    folder = Path(config.paths.output or ".").expanduser().absolute()
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
    enough = "" if whole < free else " [red]too little[/red]"
    console.print(
        f"Disk: {number} checkpoints of {size(one)} and the model, {size(whole)} in all; free: {size(free)}{enough}"
    )


def _show_time(config: Config, here: Machine, console: Console) -> None:
    """Measured on the real model where it fits; a speed that nobody measured is not made up."""
    steps, why = steps_of(config)
    hindered = _not_measured(config, here)
    if hindered:
        console.print(f"Speed: not measured ({hindered}). Steps: {steps if steps else why}.")
        return
    quick = (parameters(config.model) or math.inf) <= QUICK
    trial = QUICK_STEPS if quick else measure.STEPS
    hint = "" if quick or config.measure else " This may take minutes; measure=false leaves it out."
    console.print(f"Speed: measuring {trial - 1} steps on random weights ...{hint}")
    try:
        found = measure.measure(config, trial)
    except JobFailure as error:
        if config.measure:
            raise UserError(f"measure: the trial failed: {error}") from error
        console.print(f"Speed: not measured, the trial failed: {error}", markup=False)
        return
    console.print(
        f"Speed: {found.tokens_per_second:,.0f} tokens/s, measured over {trial - 1} steps of "
        f"{found.step_tokens:,} tokens; highest memory of a process {size(found.peak_bytes)}"
    )
    if steps is None:
        console.print(f"Time: unknown, because the number of steps is ({why}).")
    else:
        took = training_time(config, steps, found)
        console.print(f"Time: {steps:,} steps of {config.trainer.batch_tokens:,} tokens, about {took}")


def _not_measured(config: Config, here: Machine) -> str:
    """Why the speed is not measured; empty if it is."""
    if config.measure is False:
        return "measure=false"
    if not fits(config, here):
        return "it would not fit here"
    if config.trainer.nodes > 1:
        return "it takes several machines"
    if here.devices and here.devices < config.trainer.devices:
        return f"there are {here.devices} devices"
    if config.measure is None and not here.devices:
        wanted = need(config, here)
        if wanted is None or wanted.device * config.trainer.devices + wanted.host > _free():
            # Nobody asked for a trial that may push other programs out of memory.
            return "other programs hold the memory that it takes; measure=true tries it all the same"
    return ""


def _free() -> int:
    """Main memory that no program holds, in bytes."""
    return psutil.virtual_memory().available


def training_time(config: Config, steps: int, found: measure.Measured) -> str:
    """How long so many steps take at a measured speed."""
    return duration(steps * config.trainer.batch_tokens * FULL_ROWS / found.tokens_per_second)


def steps_of(config: Config) -> tuple[int | None, str]:
    """Optimizer steps of the run, or why nobody knows."""
    if config.trainer.max_steps:
        return config.trainer.max_steps, ""
    try:
        manifest = prepared_before(config, protection(config), tokenizer_of(config))
    except UserError as error:
        return None, f"the mixture can't be built yet: {error.problems[0].split(chr(10))[0]}"
    if manifest is None:
        return None, "the mixture was not built yet: job=build"
    return math.ceil(config.trainer.epochs * manifest["tokens"] / FULL_ROWS / config.trainer.batch_tokens), ""


def _show_places(config: Config, console: Console) -> None:
    if config.model.source == "load":
        found = locate(config.model, config.paths.models)
        looked = ", ".join(found.looked)
        console.print(f"Weights: {found.path or 'not found'}; looked at {looked}", markup=False)
    data = find(config.data, config.sources, config.paths, config.eval.tasks)
    console.print(
        f"Data: {len(data.datasets)} datasets found, {len(data.missing)} missing, {len(data.excluded)} left out "
        "(job=build lists them)"
    )


def sizes_table(config: Config, here: Machine, tuning: str) -> Table:
    """Every size with every strategy: memory per device, and whether it fits on this machine."""
    devices = 8
    if here.devices or config.trainer.devices > 1:
        devices = max(2, config.trainer.devices * config.trainer.nodes, here.devices)
    title = f"tuning={tuning}; auto: one device, the others: {devices}"
    table = Table("size", title=title, title_justify="left", padding=(0, 0), pad_edge=False)
    found = [StrategyConfig(**construct(parse(path)[0])) for path in declarations("strategy")]
    # From the one that needs most memory per device on.
    strategies = sorted(found, key=lambda strategy: (strategy.stage, strategy.offload_parameters, strategy.name))
    for strategy in strategies:
        table.add_column(strategy.name.removeprefix("deepspeed_"), justify="right")
    for label, *shape in bloom_sizes():
        model = of_size(config.model, *shape)
        table.add_row(label, *(_cell(config, here, model, tuning, strategy, devices) for strategy in strategies))
    return table


def _cell(
    config: Config, here: Machine, model: ModelConfig, tuning: str, strategy: StrategyConfig, devices: int
) -> str:
    count = 1 if strategy.kind == "single" else devices
    option = dataclasses.replace(
        config,
        model=model,
        tuning=dataclasses.replace(config.tuning, name=tuning),
        strategy=strategy,
        trainer=dataclasses.replace(config.trainer, devices=count, nodes=1),
    )
    wanted = need(option, here)
    assert wanted is not None
    ok = fits(option, here) and (count == 1 or not here.devices or here.devices >= count)
    return f"[green]{size(wanted.device)} +[/green]" if ok else f"{size(wanted.device)}  "
