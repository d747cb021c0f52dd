"""Checkpoints that a crash or a full disk can't break: room made first, written aside, then moved into place."""

import shutil
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from ecomgpt.common.errors import JobFailure, UserError
from ecomgpt.common.log import log
from ecomgpt.config.schema import StrategyConfig, TrainerConfig
from ecomgpt.strategy.registry import strategy_of
from ecomgpt.trainer.stored import checkpoints, flush, origin, remove, seal, size_of

MARGIN = 1.02
"""Room that is wanted, as a share of what a checkpoint is expected to take."""
SMALL = 1 << 20
"""Bytes for what does not grow with the model: names, positions, states of callbacks."""


class DirectIO(TorchCheckpointIO):
    """Writes straight to the file. Lightning's first builds the file in memory, where a large model leaves no room."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        with Path(path).open("wb") as file:
            torch.save(checkpoint, file)


class Checkpoints:
    """Writes a checkpoint every so many optimizer steps and at the end; `Interruption` asks for one more.

    A checkpoint is written under a temporary name and renamed, so that a kill at any moment leaves the last good one.

    Args:
        folder: Where they go.
        trainer: How often, how many are kept, and by how many processes.
        strategy: Which strategy writes them.
        fingerprint: Of the mixture, which a checkpoint belongs to.
    """

    def __init__(self, folder: Path, trainer: TrainerConfig, strategy: StrategyConfig, fingerprint: str) -> None:
        self.folder, self.fingerprint = folder, fingerprint
        self.every, self.keep = trainer.checkpoint_every, trainer.keep_checkpoints
        self._origin = origin(trainer, strategy)
        self._own_masters = strategy_of(strategy).own_masters
        self._last = -1

    def state_dict(self) -> dict[str, Any]:
        return {"fingerprint": self.fingerprint}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["fingerprint"] != self.fingerprint:
            raise UserError(
                f"name: the checkpoint was trained on the mixture {state['fingerprint']}, but the data now give "
                f"{self.fingerprint} (files, declarations or code changed); give another name= or overwrite=true"
            )

    def start(self, trainer: L.Trainer) -> None:
        """Refuses a run for whose checkpoints there is no room: better now than after the first thousand steps."""
        # A resumed run has just this one, and need not write it again.
        self._last = trainer.global_step
        self._require_room(trainer)

    def after_step(self, trainer: L.Trainer) -> None:
        """Saves, if it is time to."""
        if trainer.global_step % self.every == 0:
            self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Writes one checkpoint, unless this step has one, and deletes those that are too old.

        Raises:
            JobFailure: If the disk has no room; the last good checkpoint stays.
        """
        step = trainer.global_step
        if step == self._last or step == 0:
            return
        final = self.folder / f"step-{step}.ckpt"
        temporary = self.folder / f".writing-{final.name}"
        self._require_room(trainer)
        try:
            trainer.save_checkpoint(temporary)
        except (OSError, RuntimeError) as error:
            raise self._failure(trainer, temporary, error) from error
        trainer.strategy.barrier("checkpoint written")
        if trainer.is_global_zero:
            self._move(temporary, final)
            log.info("checkpoint after step %d", step)
        # Without waiting here, another process could leave, and the group be ended, before the checkpoint is in place.
        trainer.strategy.barrier("checkpoint in place")
        self._last = step

    def _failure(self, trainer: L.Trainer, temporary: Path, error: Exception) -> JobFailure:
        """Clears away what was written, and says why the rest was not."""
        written = size_of(temporary) if temporary.exists() else 0
        remove(temporary)
        needed = expected_bytes(trainer.lightning_module, self._own_masters)
        if shutil.disk_usage(self.folder).free - written < needed:
            return JobFailure(self._no_room(needed))
        return JobFailure(
            f"checkpoint after step {trainer.global_step}: cannot write '{temporary}': {error}; {self._stays()}"
        )

    def _move(self, temporary: Path, final: Path) -> None:
        if temporary.is_dir():
            seal(temporary, self._origin)
        remove(final)
        flush(temporary)
        temporary.replace(final)
        for old in [*checkpoints(self.folder)[self.keep :], *self.folder.glob("damaged-*")]:
            remove(old)

    def _make_room(self, module: Any) -> str | None:
        """Clears what a kill left; for want of room, gives up older checkpoints, never the newest.

        Returns:
            What is wrong, if there still is no room.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(".writing-*"):
            remove(leftover)
        needed = expected_bytes(module, self._own_masters)
        for old in [*self.folder.glob("damaged-*"), *reversed(checkpoints(self.folder)[1:])]:
            if shutil.disk_usage(self.folder).free >= needed:
                break
            log.warning("no room for two more checkpoints: %s is given up", old.name)
            remove(old)
        return None if shutil.disk_usage(self.folder).free >= needed else self._no_room(needed)

    def _no_room(self, needed: int) -> str:
        free = shutil.disk_usage(self.folder).free
        return (
            f"no room for a checkpoint: it needs {_size(needed)} in '{self.folder}', where {_size(free)} are "
            "free; make "
            f"room for {_size(max(0, needed - free))} more. {self._stays()}"
        )

    def _stays(self) -> str:
        good = checkpoints(self.folder)
        return f"The same command then continues from {good[0].name}" if good else "There is no earlier checkpoint"

    def _require_room(self, trainer: L.Trainer) -> None:
        """Checks on the first process, and fails on all of them, so that none waits for the others forever."""
        problem = self._make_room(trainer.lightning_module) if trainer.is_global_zero else None
        problem = trainer.strategy.broadcast(problem)
        if problem is not None:
            raise JobFailure(problem)


def expected_bytes(module: Any, own_masters: bool) -> int:
    """Bytes of a whole checkpoint, over all processes: weights, AdamW's two moments, and a strategy's float32 copy."""
    states = 12 if own_masters else 8
    total = 0
    for weight in module.parameters():
        # ZeRO stage 3 leaves an empty vector in a weight's place, and its size in `ds_numel`.
        number = getattr(weight, "ds_numel", weight.numel())
        total += number * (weight.element_size() + (states if weight.requires_grad else 0))
    return int(total * MARGIN) + SMALL


def _size(number: int) -> str:
    """Finer than `ecomgpt.common.units.size`, or what is needed and what is free may look the same."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
