"""Checkpoints that a crash can't break: written aside, then moved into place; found again newest first."""

import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from ecomgpt.errors import UserError
from ecomgpt.rundir import log

NAME = re.compile(r"step-(\d+)\.ckpt")


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, newest first."""
    found = [path for path in folder.glob("step-*.ckpt") if NAME.fullmatch(path.name)] if folder.is_dir() else []
    return sorted(found, key=step_of, reverse=True)


def language_model_weights(path: Path, model: Any) -> dict[str, torch.Tensor]:
    """The backbone's weights in a checkpoint, whatever strategy wrote it.

    Args:
        path: A checkpoint file, or the folder of a sharded one.
        model: The backbone; sharded checkpoints are read into its shapes.
    """
    prefix = "network.language_model."
    if path.is_file():
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
    elif (path / ".metadata").is_file():
        from torch.distributed.checkpoint import FileSystemReader, load

        state = {prefix + name: torch.empty_like(value, device="cpu") for name, value in model.state_dict().items()}
        holder = {"state_dict": state}
        load(holder, storage_reader=FileSystemReader(path), no_dist=True)
    else:
        from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

        state = get_fp32_state_dict_from_zero_checkpoint(str(path), tag="checkpoint")
        state = {name.removeprefix("_forward_module."): value for name, value in state.items()}
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def newest_readable(folder: Path) -> Path | None:
    """The newest checkpoint that is whole; a torn one is passed over with a message."""
    for path in checkpoints(folder):
        problem = _damage(path)
        if problem is None:
            return path
        print(f"  {path.name} can't be read ({problem}); going back to the one before", file=sys.stderr)
        log.warning("%s can't be read: %s", path, problem)
    return None


def _damage(path: Path) -> str | None:
    """What is wrong with a checkpoint; None for one that is whole. PyTorch's files are ZIP archives with check sums."""
    files = [path] if path.is_file() else sorted(part for part in path.rglob("*") if part.is_file())
    if not files:
        return "it is empty"
    if path.is_dir() and not any(part.suffix == ".pt" or part.name == ".metadata" for part in files):
        return "it holds no weights"
    for part in files:
        try:
            if part.stat().st_size == 0:
                return f"{part.name} is empty"
            if part.suffix in (".ckpt", ".pt"):
                with zipfile.ZipFile(part) as archive:
                    broken = archive.testzip()
                if broken:
                    return f"{broken} in it is damaged"
        except (OSError, zipfile.BadZipFile, EOFError) as error:
            return f"{part.name}: {error}"
    return None


def step_of(path: Path) -> int:
    """The optimiser step after which a checkpoint was written."""
    match = NAME.fullmatch(path.name)
    assert match is not None, path
    return int(match.group(1))


class Checkpoints(Callback):
    """Writes a checkpoint every so many optimiser steps and at the end; `Interruption` asks for one more.

    A checkpoint is written under a temporary name and renamed, so that a kill at any moment leaves the last good one.

    Args:
        folder: Where they go.
        every: Optimiser steps between two.
        keep: How many stay.
        fingerprint: Of the data; a checkpoint belongs to one mixture.
    """

    def __init__(self, folder: Path, every: int, keep: int, fingerprint: str) -> None:
        self.folder, self.every, self.keep, self.fingerprint = folder, every, keep, fingerprint
        self._last = -1

    def state_dict(self) -> dict[str, Any]:
        return {"fingerprint": self.fingerprint}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["fingerprint"] != self.fingerprint:
            raise UserError(
                f"name: the checkpoint was trained on the mixture {state_dict['fingerprint']}, but the data now give "
                f"{self.fingerprint} (files, declarations or code changed); give another name= or overwrite=true"
            )

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, index: int) -> None:
        step = trainer.global_step
        stepped = (index + 1) % trainer.accumulate_grad_batches == 0
        if stepped and step % self.every == 0:
            self.save(trainer)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Writes one checkpoint, unless this step has one, and deletes those that are too old."""
        step = trainer.global_step
        if step == self._last or step == 0:
            return
        final = self.folder / f"step-{step}.ckpt"
        temporary = self.folder / f".writing-step-{step}.ckpt"
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            # A kill in the middle of an earlier writing left this.
            for leftover in self.folder.glob(".writing-*"):
                _remove(leftover)
        trainer.strategy.barrier("before checkpoint")
        trainer.save_checkpoint(temporary)
        trainer.strategy.barrier("after checkpoint")
        if trainer.is_global_zero:
            _remove(final)
            temporary.replace(final)
            for old in checkpoints(self.folder)[self.keep :]:
                _remove(old)
            log.info("checkpoint after step %d", step)
        self._last = step


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
