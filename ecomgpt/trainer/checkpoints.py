"""Checkpoints that a crash or a full disk can't break: room made first, written aside, then moved into place."""

import shutil
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO

from ecomgpt.common.errors import JobFailure, UserError
from ecomgpt.common.log import log
from ecomgpt.config.schema import Config
from ecomgpt.trainer.stored import checkpoints, flush, remove, seal, size_of

MARGIN = 1.02
"""Room that is asked for, as a share of what a checkpoint is expected to take."""
SMALL = 1 << 20
"""Bytes for what does not grow with the model: names, positions, states of callbacks."""


class DirectIO(TorchCheckpointIO):
    """Writes straight to the file. Lightning's own makes the whole file in memory first, which a large model has no room for."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        with Path(path).open("wb") as file:
            torch.save(checkpoint, file)


class Checkpoints(Callback):
    """Writes a checkpoint every so many optimiser steps and at the end; `Interruption` asks for one more.

    A checkpoint is written under a temporary name and renamed, so that a kill at any moment leaves the last good one.

    Args:
        folder: Where they go.
        config: The run's configuration: how often, how many stay, which strategy writes.
        fingerprint: Of the data; a checkpoint belongs to one mixture.
    """

    def __init__(self, folder: Path, config: Config, fingerprint: str) -> None:
        self.folder, self.config, self.fingerprint = folder, config, fingerprint
        self.every, self.keep = config.trainer.checkpoint_every, config.trainer.keep_checkpoints
        self._last = -1

    def state_dict(self) -> dict[str, Any]:
        return {"fingerprint": self.fingerprint}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["fingerprint"] != self.fingerprint:
            raise UserError(
                f"name: the checkpoint was trained on the mixture {state_dict['fingerprint']}, but the data now give "
                f"{self.fingerprint} (files, declarations or code changed); give another name= or overwrite=true"
            )

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        # Better now than after the first thousand steps. A resumed run has just this one, and need not write it again.
        self._last = trainer.global_step
        self._together(trainer, lambda: self._make_room(module))

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        step = trainer.global_step
        stepped = (index + 1) % trainer.accumulate_grad_batches == 0
        if stepped and step % self.every == 0:
            self.save(trainer)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
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
        self._together(trainer, lambda: self._make_room(trainer.lightning_module))
        try:
            trainer.save_checkpoint(temporary)
        except (OSError, RuntimeError) as error:
            written = size_of(temporary) if temporary.exists() else 0
            remove(temporary)
            needed = expected_bytes(trainer.lightning_module, self.config)
            if shutil.disk_usage(self.folder).free - written < needed:
                raise JobFailure(self._no_room(needed)) from error
            raise JobFailure(
                f"checkpoint after step {step}: cannot write '{temporary}': {error}; {self._stays()}"
            ) from error
        trainer.strategy.barrier("checkpoint written")
        if trainer.is_global_zero:
            self._move(temporary, final)
            log.info("checkpoint after step %d", step)
        # Without waiting here, another process could leave, and the group be ended, before the checkpoint is in place.
        trainer.strategy.barrier("checkpoint in place")
        self._last = step

    def _move(self, temporary: Path, final: Path) -> None:
        if temporary.is_dir():
            seal(temporary, self.config)
        remove(final)
        flush(temporary)
        temporary.replace(final)
        for old in [*checkpoints(self.folder)[self.keep :], *self.folder.glob("damaged-*")]:
            remove(old)

    def _make_room(self, module: Any) -> str | None:
        """Clears what a kill left; gives up older checkpoints, never the newest, for want of room.

        Returns:
            What is wrong, if there still is no room.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(".writing-*"):
            remove(leftover)
        needed = expected_bytes(module, self.config)
        for old in [*self.folder.glob("damaged-*"), *reversed(checkpoints(self.folder)[1:])]:
            if shutil.disk_usage(self.folder).free >= needed:
                break
            log.warning("no room for two more checkpoints: %s is given up", old.name)
            remove(old)
        return None if shutil.disk_usage(self.folder).free >= needed else self._no_room(needed)

    def _no_room(self, needed: int) -> str:
        free = shutil.disk_usage(self.folder).free
        return (
            f"no room for a checkpoint: it needs {_size(needed)} in '{self.folder}', where {_size(free)} are free; make "
            f"room for {_size(max(0, needed - free))} more. {self._stays()}"
        )

    def _stays(self) -> str:
        good = checkpoints(self.folder)
        return f"The same command then continues from {good[0].name}" if good else "There is no earlier checkpoint"

    @staticmethod
    def _together(trainer: L.Trainer, check: Any) -> None:
        """The first process looks, and all of them learn what it found, so that none waits for the others for ever."""
        problem = trainer.strategy.broadcast(check() if trainer.is_global_zero else None)
        if problem is not None:
            raise JobFailure(problem)


def expected_bytes(module: Any, config: Config) -> int:
    """Bytes of a whole checkpoint, over all processes: weights, AdamW's two moments, and DeepSpeed's float32 copy."""
    states = 12 if config.strategy.kind == "deepspeed" else 8
    total = 0
    for weight in module.parameters():
        # ZeRO stage 3 leaves an empty vector in a weight's place, and its size in `ds_numel`.
        number = getattr(weight, "ds_numel", weight.numel())
        total += number * (weight.element_size() + (states if weight.requires_grad else 0))
    return int(total * MARGIN) + SMALL


def _size(number: int) -> str:
    """Finer than `ecomgpt.common.units.size`, or what is needed and what is free may look the same."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
