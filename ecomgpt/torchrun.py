"""A job under torchrun, on one machine or on many: every process runs the command, and process 0 owns the run.

``torchrun --nnodes=2 --nproc_per_node=8 ... -m ecomgpt strategy=fsdp name=big`` starts sixteen processes. Process 0 checks,
makes the run directory, builds the mixture, and evaluates and reports after training. The others wait for its word at each
step, train with it, and leave. They meet in torchrun's store, under keys of their own, before any process group exists.
"""

import contextlib
import dataclasses
import os
import sys
import traceback
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from ecomgpt.config.schema import Config
from ecomgpt.errors import UserError
from ecomgpt.group import RANK_VARIABLES
from ecomgpt.rundir import Run, differences, existing_run, log, log_to

PATIENCE = timedelta(days=2)
"""Building a large mixture takes hours; if process 0 dies, torchrun stops the others."""
RUN, BUILT = "run", "built"
TRAIN, LEAVE, FAILED = "train", "leave", "failed"

_told: set[str] = set()


def joined() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ


def rank() -> int:
    """This process among all; 0 owns the run."""
    return int(os.environ["RANK"])


def refuse(what: str) -> None:
    """A sweep's jobs start process groups of their own.

    Raises:
        UserError: Under torchrun.
    """
    if joined():
        raise UserError(
            f"command line: {what} can't run under torchrun; start it without, and give trainer.devices=<processes of each job>"
        )


def overrides(given: list[str]) -> list[str]:
    """The overrides with ``trainer.devices`` and ``trainer.nodes`` as torchrun has them.

    Raises:
        UserError: If the command says otherwise.
    """
    if not joined():
        return given
    devices = int(os.environ["LOCAL_WORLD_SIZE"])
    own = {"trainer.devices": devices, "trainer.nodes": int(os.environ["WORLD_SIZE"]) // devices}
    said = dict(item.split("=", 1) for item in given if "=" in item)
    wrong = [
        f"{key}={said[key]}, but torchrun has started {value}; leave the key out"
        for key, value in own.items()
        if said.get(key, str(value)) != str(value)
    ]
    if wrong:
        raise UserError(*wrong)
    return [*given, *(f"{key}={value}" for key, value in own.items() if key not in said)]


def howto(config: Config) -> str:
    """What to type on every machine where the command was started without torchrun."""
    return (
        f"trainer.nodes={config.trainer.nodes}: several machines are started with torchrun, on each of them:\n"
        f"torchrun --nnodes={config.trainer.nodes} --nproc_per_node={config.trainer.devices} --rdzv_backend=c10d "
        "--rdzv_endpoint=<first machine>:29500 -m ecomgpt <the same arguments>"
    )


@contextlib.contextmanager
def leading() -> Iterator[None]:
    """Process 0's job; whatever the others still wait for when it ends, they need not. Outside torchrun it does nothing."""
    try:
        yield
    finally:
        if joined():
            for key in {RUN, BUILT} - _told:
                _store().set(key, FAILED)


def tell_run(run: Run) -> None:
    """Process 0 tells the others where the run lies."""
    _tell(RUN, str(run.path))


def tell_built(train: bool) -> None:
    """Process 0 tells the others that the mixture is there, and whether there is anything to train."""
    _tell(BUILT, TRAIN if train else LEAVE)


def leave() -> None:
    """Process 0 is one of its own after training: what follows must not take it for one of many."""
    for name in RANK_VARIABLES:
        os.environ.pop(name, None)


def follow(config: Config) -> int:
    """The part of every process but the first.

    Returns:
        The exit code.
    """
    if config.job.name not in ("run", "fit"):
        return 0
    path = _wait(RUN)
    if path == FAILED:
        return 2
    if not (Path(path) / "config.yaml").is_file():
        raise UserError(
            f"paths.output: process 0 works in '{path}', which process {rank()} does not see; all machines must share it"
        )
    run, leader = existing_run(path)
    _same(config, leader)
    log_to(run, process=rank())
    word = _wait(BUILT)
    if word == FAILED:
        return 1
    return _train(config, run) if word == TRAIN else 0


def _train(config: Config, run: Run) -> int:
    from ecomgpt.job.fit import follower
    from ecomgpt.launch import heed_preemption

    heed_preemption()
    try:
        follower(config, run)
    except KeyboardInterrupt:
        return 1
    except UserError:
        raise
    except Exception as error:
        log.error("%s", traceback.format_exc())
        print(f"process {rank()}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _same(own: Config, leader: Config) -> None:
    """All processes must have been given the same command; only where things lie may differ between machines."""
    spread = ("name", "paths")
    if leader.trainer.batch == "auto":
        # What process 0 has chosen holds for all.
        own.trainer.micro_rows, own.trainer.gradient_checkpointing = (
            leader.trainer.micro_rows,
            leader.trainer.gradient_checkpointing,
        )
    found = list(differences(dataclasses.asdict(leader), dataclasses.asdict(own), free=spread))
    if found:
        raise UserError("the machines were started with different commands:", *found)


def _tell(key: str, word: str) -> None:
    if joined():
        _told.add(key)
        _store().set(key, word)


@cache
def _store() -> Any:
    from torch.distributed import PrefixStore, rendezvous

    store, _, _ = next(iter(rendezvous("env://", timeout=PATIENCE)))
    return PrefixStore("ecomgpt", store)


def _wait(key: str) -> str:
    store = _store()
    store.wait([key], PATIENCE)
    return store.get(key).decode()
