"""``trainer.batch=auto``: rows per device at once and gradient checkpointing, decided by memory alone.

The optimizer's step keeps its tokens, so what is learned stays the same; only how a step is cut into micro-batches
changes.
"""

import dataclasses
from pathlib import Path

from ecomgpt.common.units import size
from ecomgpt.config.schema import Config
from ecomgpt.model.locate import with_shape_from_config
from ecomgpt.plan.preflight import need
from ecomgpt.runtime.directory import Run
from ecomgpt.runtime.machine import Machine, machine

SHARE = {True: 0.9, False: 0.8}
"""Share of a GPU's memory (True) and of main memory (False), which others use too, that a run may fill."""


def choose_batch(config: Config) -> str | None:
    """Sets ``trainer.micro_rows`` and ``trainer.gradient_checkpointing``; a continued run keeps its own.

    Returns:
        One line that explains the choice; None where nothing was to be chosen.
    """
    if config.trainer.batch != "auto" or config.job.name not in ("run", "fit"):
        return None
    recorded = _recorded(config)
    if recorded is not None:
        config.trainer.micro_rows, config.trainer.gradient_checkpointing = recorded
        return None
    rows, checkpointing, line = choose(
        dataclasses.replace(config, model=with_shape_from_config(config.model, config.paths.models)), machine(config)
    )
    config.trainer.micro_rows, config.trainer.gradient_checkpointing = rows, checkpointing
    return line


def choose(config: Config, here: Machine) -> tuple[int, bool, str]:
    """The most rows at once that fit, without checkpointing if any do.

    Returns:
        Rows at once, whether to use gradient checkpointing, and one line that explains it.
    """
    trainer = config.trainer
    row = trainer.row_tokens or config.data.max_length
    share = max(1, trainer.batch_tokens // row // (trainer.devices * trainer.nodes))
    wanted = [trainer.micro_rows] if trainer.micro_rows else [rows for rows in range(share, 0, -1) if share % rows == 0]
    options = [
        (rows, again) for again in ((True,) if trainer.gradient_checkpointing else (False, True)) for rows in wanted
    ]
    room = here.device_bytes * SHARE[bool(here.devices)] / (1 if here.devices else trainer.devices)
    rows, again = next((option for option in options if _taken(config, here, *option) <= room), options[-1])
    line = (
        f"trainer.batch=auto: {rows} rows of {row:,} tokens at once, {share // rows} times per step, "
        f"{'with' if again else 'without'} gradient checkpointing: "
        f"about {size(_taken(config, here, rows, again))} of {size(room)}"
    )
    return rows, again, line


def _taken(config: Config, here: Machine, rows: int, checkpointing: bool) -> float:
    """Bytes that an option takes on a device."""
    trainer = dataclasses.replace(config.trainer, micro_rows=rows, gradient_checkpointing=checkpointing)
    wanted = need(dataclasses.replace(config, trainer=trainer), here)
    return wanted.device if wanted else 0.0


def _recorded(config: Config) -> tuple[int | None, bool] | None:
    folder = Path(config.paths.output or "./outputs").expanduser() / (config.name or "")
    if config.overwrite or config.name is None or not (folder / "config.yaml").is_file():
        return None
    trainer = Run(folder).config().trainer
    return (trainer.micro_rows, trainer.gradient_checkpointing) if trainer.batch == "auto" else None
