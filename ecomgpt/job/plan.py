"""job=plan: what a run needs and what this machine has; asked before every run, too."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecomgpt.config.rules import missing_data
from ecomgpt.config.schema import Config
from ecomgpt.errors import UserError
from ecomgpt.rundir import Run
from ecomgpt.strategy.memory import Memory, estimate, parameters

SIZES = (("560m", 1024, 24, 16), ("1b1", 1536, 24, 16), ("1b7", 2048, 24, 16), ("3b", 2560, 30, 32), ("7b1", 4096, 30, 32))
"""Width, blocks and heads of BLOOM's sizes."""
SPREAD = 1.1
"""A run that needs this much more than there is, by estimate, is refused; below it, it may just fit."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """What is here.

    Attributes:
        devices: CUDA devices; 0 for the CPU.
        device_bytes: Memory of one of them, or main memory.
        host_bytes: Main memory.
        name: For people.
        half: Whether ``precision=auto`` computes in 16 bit here.
    """

    devices: int
    device_bytes: int
    host_bytes: int
    name: str
    half: bool


def main(config: Config, run: Run | None) -> None:
    """Prints the plan."""
    show(config, machine(config))


def require(config: Config) -> None:
    """Refuses a run whose weights are absent, whose devices are not there, or which can't fit.

    Raises:
        UserError: With what is missing and what would work, on one screen.
    """
    if config.run and config.job.name == "evaluate":
        return
    here = machine(config)
    problems = list(_problems(config, here))
    if problems:
        raise UserError(*problems, advice=list(_advice(config, here)))


def machine(config: Config) -> Machine:
    """Looks at the hardware."""
    import psutil
    import torch

    host = psutil.virtual_memory().total
    if config.trainer.accelerator != "cpu" and torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        half = config.trainer.precision != "fp32"
        return Machine(torch.cuda.device_count(), properties.total_memory, host, properties.name, half)
    half = config.trainer.precision in ("bf16-mixed", "bf16-true", "fp16-mixed")
    return Machine(0, host, host, "CPU", half)


def need(config: Config, here: Machine) -> Memory | None:
    """The estimate for this machine."""
    return estimate(config, here.half, config.trainer.precision != "bf16-true")


def fits(config: Config, here: Machine) -> bool:
    """Whether a configuration should fit; processes on a CPU share its memory."""
    wanted = need(config, here)
    if wanted is None:
        return True
    if here.devices:
        return wanted.device <= here.device_bytes * SPREAD and wanted.host <= here.host_bytes * SPREAD
    return wanted.device * config.trainer.devices + wanted.host <= here.host_bytes * SPREAD


def _problems(config: Config, here: Machine) -> Iterator[str]:
    if here.devices and config.trainer.devices > here.devices:
        yield f"trainer.devices={config.trainer.devices}, but this machine has {here.devices} CUDA devices ({here.name})"
    if config.model.source == "load":
        from ecomgpt.model.locate import locate

        found = locate(config)
        if found.path is None:
            yield f"model={config.model.name}: no weights found; looked at {', '.join(found.looked)}. Give model.path=<folder>"
    if config.job.name in ("run", "fit"):
        yield from missing_data(config)
    if config.model.source == "build" and config.job.name == "evaluate":
        yield f"model={config.model.name} has no weights to evaluate; train it first and give run=<its directory>"
    wanted = need(config, here)
    if config.job.name in ("run", "fit") and wanted is not None and not fits(config, here):
        yield (
            f"memory: training {config.model.name} needs {_gb(wanted.device)} a device, this machine has "
            f"{_gb(here.device_bytes)} ({here.name})"
        )


def _advice(config: Config, here: Machine) -> Iterator[str]:
    from ecomgpt.data.instructions import find

    options = [text for text, option in _variants(config) if fits(option, here)]
    if options:
        yield f"this machine ({here.name}, {_gb(here.device_bytes)}) could train: {'; '.join(options[:6])}"
    else:
        yield "no size of BLOOM(Z) fits this machine in training; model=bloom_tiny does"
    wanted = need(config, here)
    if wanted is not None:
        yield (
            f"{config.model.name} with tuning={config.tuning.name}, strategy={config.strategy.name} needs on each device: "
            f"{_parts(wanted)}; in all {_gb(wanted.device)}"
        )
    data = find(config)
    state = f"{len(data.datasets)} datasets found, {len(data.missing)} missing"
    yield "job=plan shows all sizes and strategies; model=bloom_tiny sources=demo eval=demo needs nothing"
    yield f"data: looked in {Path(config.paths.data).expanduser() / 'raw'}: {state}"


def _variants(config: Config) -> Iterator[tuple[str, Config]]:
    """The same run with less: adapters, checkpointing, then smaller models."""
    family = config.model.name.split("_")[0] if config.model.name.startswith(("bloom_", "bloomz_")) else "bloomz"
    own = [(config.model.name, config.model)]
    sizes = [
        (f"{family}_{size}", dataclasses.replace(config.model, hidden_size=width, layers=layers, heads=heads, vocabulary=250880, family="bloom"))
        for size, width, layers, heads in reversed(SIZES)
    ]
    for name, model in own + [item for item in sizes if (parameters(item[1]) or 0) < (parameters(config.model) or 0)]:
        for tuning in ("full", "lora"):
            for checkpointing in (False, True):
                text = f"model={name} tuning={tuning}" + (" trainer.gradient_checkpointing=true" if checkpointing else "")
                option = dataclasses.replace(
                    config, model=model, tuning=dataclasses.replace(config.tuning, name=tuning),
                    trainer=dataclasses.replace(config.trainer, gradient_checkpointing=checkpointing),
                )
                yield text, option
                if fits(option, machine(option)):
                    break


def show(config: Config, here: Machine) -> None:
    """Prints memory by part, where weights and data are looked for, and what fits."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    wanted = need(config, here)
    total = parameters(config.model)
    console.print(f"[bold]{config.model.name}[/bold]: {total:,} parameters" if total else f"[bold]{config.model.name}[/bold]", highlight=False)
    if wanted is not None:
        table = Table("part", "a device", title=f"strategy={config.strategy.name}, tuning={config.tuning.name}, {config.trainer.devices * config.trainer.nodes} device(s)")
        for name in ("weights", "gradients", "optimizer", "activations", "logits"):
            table.add_row(name, _gb(getattr(wanted, name)))
        table.add_row("in all", _gb(wanted.device), style="bold")
        if wanted.host:
            table.add_row("main memory", _gb(wanted.host))
        console.print(table)
        verdict = "[green]fits[/green]" if fits(config, here) else "[red]does not fit[/red]"
        console.print(f"This machine: {here.name}, {_gb(here.device_bytes)}" + (f", {here.devices} devices" if here.devices else "") + f": {verdict}", highlight=False)
        disk = (total or 0) * 4 + _checkpoint_bytes(config) * config.trainer.keep_checkpoints
        free = shutil.disk_usage(_existing(Path(config.paths.output or "."))).free
        console.print(f"Disk for checkpoints and model: {_gb(disk)}, free: {_gb(free)}", highlight=False)
    _show_places(config, console)
    console.print(_sizes_table(config, here))


def _show_places(config: Config, console: Any) -> None:
    from ecomgpt.data.instructions import find
    from ecomgpt.model.locate import locate

    if config.model.source == "load":
        found = locate(config)
        console.print(f"Weights: {found.path or 'not found'}; looked at {', '.join(found.looked)}", highlight=False, markup=False)
    data = find(config)
    console.print(
        f"Data: {len(data.datasets)} datasets found, {len(data.missing)} missing, {len(data.excluded)} left out (job=build lists them)",
        highlight=False,
    )


def _sizes_table(config: Config, here: Machine) -> Any:
    from rich.table import Table

    table = Table("size", "one device, full", "one device, lora", "fsdp / zero3 over 8", title="memory a device for training (fits here in green)")
    for size, width, layers, heads in SIZES:
        model = dataclasses.replace(config.model, family="bloom", hidden_size=width, layers=layers, heads=heads, vocabulary=250880, intermediate_size=None)
        cells = []
        for tuning, kind, devices in (("full", "single", 1), ("lora", "single", 1), ("full", "fsdp", 8)):
            option = dataclasses.replace(
                config, model=model, tuning=dataclasses.replace(config.tuning, name=tuning),
                strategy=dataclasses.replace(config.strategy, kind=kind, stage=0, offload_optimizer=False, offload_parameters=False),
                trainer=dataclasses.replace(config.trainer, devices=devices, nodes=1),
            )
            wanted = need(option, here)
            assert wanted is not None
            ok = fits(option, here) and (devices == 1 or here.devices >= devices)
            cells.append(f"[green]{_gb(wanted.device)}[/green]" if ok else _gb(wanted.device))
        table.add_row(size, *cells)
    return table


def _checkpoint_bytes(config: Config) -> float:
    from ecomgpt.strategy.memory import trained_parameters

    return (parameters(config.model) or 0) * 4 + trained_parameters(config) * 8


def _parts(memory: Memory) -> str:
    names = ("weights", "gradients", "optimizer", "activations", "logits")
    return ", ".join(f"{name} {_gb(getattr(memory, name))}" for name in names)


def _existing(path: Path) -> Path:
    path = path.expanduser().absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
