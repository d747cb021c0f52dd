"""job=plan: what a run needs, by part, and what this machine has."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from ecomgpt.config.schema import Config
from ecomgpt.needs import SIZES, Machine, fits, gigabytes, machine, need, of_size
from ecomgpt.rundir import Run
from ecomgpt.strategy.memory import parameters


def main(config: Config, run: Run | None) -> None:
    """Prints the plan."""
    from ecomgpt.model.locate import shaped

    config = dataclasses.replace(config, model=shaped(config))
    show(config, machine(config))


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
            table.add_row(name, gigabytes(getattr(wanted, name)))
        table.add_row("in all", gigabytes(wanted.device), style="bold")
        if wanted.host:
            table.add_row("main memory", gigabytes(wanted.host))
        console.print(table)
        verdict = "[green]fits[/green]" if fits(config, here) else "[red]does not fit[/red]"
        console.print(f"This machine: {here.name}, {gigabytes(here.device_bytes)}" + (f", {here.devices} devices" if here.devices else "") + f": {verdict}", highlight=False)
        disk = (total or 0) * 4 + _checkpoint_bytes(config) * config.trainer.keep_checkpoints
        free = shutil.disk_usage(_existing(Path(config.paths.output or "."))).free
        console.print(f"Disk for checkpoints and model: {gigabytes(disk)}, free: {gigabytes(free)}", highlight=False)
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
        model = of_size(config.model, width, layers, heads)
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
            cells.append(f"[green]{gigabytes(wanted.device)}[/green]" if ok else gigabytes(wanted.device))
        table.add_row(size, *cells)
    return table


def _checkpoint_bytes(config: Config) -> float:
    from ecomgpt.strategy.memory import trained_parameters

    return (parameters(config.model) or 0) * 4 + trained_parameters(config) * 8


def _existing(path: Path) -> Path:
    path = path.expanduser().absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())
