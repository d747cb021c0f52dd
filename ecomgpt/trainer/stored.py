"""Checkpoints on disk: which there are, which are whole, which strategy can go on from them, and their weights.

One process and DDP write a file; FSDP and DeepSpeed a folder, with ``origin.json`` that says who wrote it.
"""

import os
import pickle
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json, write_json
from ecomgpt.common.log import log
from ecomgpt.config.schema import StrategyConfig, TrainerConfig
from ecomgpt.strategy.registry import strategy_of

NAME = re.compile(r"step-(\d+)\.ckpt")
ORIGIN = "origin.json"


def checkpoints(folder: Path) -> list[Path]:
    """Finished checkpoints, newest first."""
    found = [path for path in folder.glob("step-*.ckpt") if NAME.fullmatch(path.name)] if folder.is_dir() else []
    return sorted(found, key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """The optimizer step after which a checkpoint was written."""
    match = NAME.fullmatch(path.name)
    assert match is not None, path
    return int(match.group(1))


def newest_readable(folder: Path) -> Path | None:
    """The newest checkpoint that is whole; a torn one is passed over with a message."""
    for path in checkpoints(folder):
        problem = _damage(path)
        if problem is None:
            return path
        print(f"  {path.name} can't be read ({problem}); going back to the one before", file=sys.stderr)
        log.warning("%s can't be read: %s", path, problem)
    return None


def resume_point(folder: Path, trainer: TrainerConfig, strategy: StrategyConfig) -> Path | None:
    """The checkpoint that training continues from; called once for a whole group, before it starts.

    Newer checkpoints, which can't be read, are renamed to ``damaged-*``, so that all processes take the same one.

    Raises:
        UserError: If the configured strategy can't read it; with what can.
    """
    found = newest_readable(folder)
    for path in checkpoints(folder):
        if found is None or step_of(path) > step_of(found):
            path.replace(folder / f"damaged-{path.name}")
    if found is not None:
        _require_fit(found, origin(trainer, strategy), strategy)
    return found


def origin(trainer: TrainerConfig, strategy: StrategyConfig) -> dict[str, Any]:
    """Who writes a checkpoint, as far as it decides who can read it."""
    return {
        "strategy": strategy.name,
        "kind": strategy.kind,
        "stage": strategy.stage,
        "processes": trainer.devices * trainer.nodes,
        "offload_optimizer": strategy.offload_optimizer,
        "offload_parameters": strategy.offload_parameters,
    }


def _require_fit(path: Path, own: dict[str, Any], strategy: StrategyConfig) -> None:
    """Refuses a checkpoint that this strategy, with this number of processes, can't read."""
    writer = read_json(path / ORIGIN) if path.is_dir() else {}
    if strategy_of(strategy).reads(writer, own):
        return
    by = StrategyConfig(name=writer.get("strategy", ""), kind=writer.get("kind", "single"))
    holds, continued_by = strategy_of(by).checkpoint(writer.get("processes", 1))
    run = path.parent.parent
    raise UserError(
        f"strategy={strategy.name} with {own['processes']} process(es) can't go on from '{path}': it holds {holds}. "
        f"Go on with {continued_by}; or start anew from its weights: job=export run={run}, then model=hf "
        f"model.path={run / 'model'} name=<new>"
    )


def seal(path: Path, writer: dict[str, Any]) -> None:
    """The last file of a checkpoint's folder: who wrote it, and what else must be in it."""
    files = {str(part.relative_to(path)): part.stat().st_size for part in _files(path)}
    write_json(path / ORIGIN, {**writer, "files": files})


def flush(path: Path) -> None:
    """Brings a checkpoint from the system's memory to the disk, so that a power cut after renaming finds it whole."""
    for part in _files(path):
        with part.open("rb") as file:
            os.fsync(file.fileno())


def remove(path: Path) -> None:
    """Deletes a checkpoint, file or folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Bytes of a checkpoint."""
    return sum(part.stat().st_size for part in _files(path))


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(part for part in path.rglob("*") if part.is_file())


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

        from ecomgpt.strategy.lightning_deepspeed import restricted_unpickling

        with restricted_unpickling():
            state = get_fp32_state_dict_from_zero_checkpoint(str(path), tag="checkpoint")
        state = {name.removeprefix("_forward_module."): value for name, value in state.items()}
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


class RestrictedUnpickler(pickle.Unpickler):
    """FSDP's list of shards is a pickle, which PyTorch reads without limits; this refuses all else."""

    DTYPES = ("float32", "bfloat16", "float16", "float64", "int64", "int32", "uint8", "bool")
    METADATA = (
        "Metadata",
        "MetadataIndex",
        "StorageMeta",
        "TensorStorageMetadata",
        "BytesStorageMetadata",
        "ChunkStorageMetadata",
        "TensorProperties",
        "_MEM_FORMAT_ENCODING",
    )
    ALLOWED = frozenset(
        {
            ("pathlib", "PosixPath"),
            ("torch", "Size"),
            ("torch.serialization", "_get_layout"),
            ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
            *(("torch", name) for name in DTYPES),
            *(("torch.distributed.checkpoint.metadata", name) for name in METADATA),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        """As in the base class, for what is allowed."""
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no list of shards does")
        return super().find_class(module, name)


def _lost(path: Path) -> str | None:
    """What is missing in a checkpoint's folder, by the list in it."""
    try:
        files = read_json(path / ORIGIN).get("files")
    except UserError:
        files = None
    if not files:
        return f"it holds no whole {ORIGIN}"
    for name, size in files.items():
        if not (path / name).is_file():
            return f"{name} in it is missing"
        if (path / name).stat().st_size != size:
            return f"{name} in it has another size"
    return None


def _damage(path: Path) -> str | None:
    """What is wrong with a checkpoint; None for one that is whole. PyTorch's files are ZIP archives with check sums."""
    files = _files(path)
    if not files:
        return "it is empty"
    if path.is_dir():
        lost = _lost(path)
        if lost is not None:
            return lost
    for part in files:
        try:
            if part.stat().st_size == 0:
                return f"{part.name} is empty"
            if part.name == ".metadata":
                with part.open("rb") as file:
                    RestrictedUnpickler(file).load()
            if part.suffix in (".ckpt", ".pt"):
                with zipfile.ZipFile(part) as archive:
                    broken = archive.testzip()
                if broken:
                    return f"{broken} in it is damaged"
        except (OSError, ValueError, zipfile.BadZipFile, EOFError, pickle.UnpicklingError) as error:
            return f"{part.name}: {error}"
    return None
