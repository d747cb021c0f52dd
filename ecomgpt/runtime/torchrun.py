"""A job under torchrun, on one machine or on many: every process runs the command, and process 0 owns the run.

``torchrun --nnodes=2 --nproc_per_node=8 ... -m ecomgpt strategy=fsdp name=big`` starts sixteen processes. Process 0
checks, makes the run directory, builds the mixture, and evaluates and reports after training. The others wait for it at
each stage, train with it, and leave. They meet in torchrun's store, under keys of their own, before any process group
exists.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import Config

RANK_VARIABLES = re.compile(
    r"((LOCAL|GROUP|ROLE|NODE)_)?RANK|((LOCAL|GROUP|ROLE)_)?WORLD_SIZE|MASTER_(ADDR|PORT)|TORCHELASTIC_.*"
)
"""What torchrun sets in each of its processes, and `ecomgpt.runtime.process_group` in those of its groups."""
PATIENCE = timedelta(days=2)
"""Building a large mixture takes hours; if process 0 dies, torchrun stops the others."""
RUN, BUILT = "run", "built"
TRAIN, LEAVE, FAILED = "train", "leave", "failed"

_told: set[str] = set()


def joined() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ


def rank() -> int:
    """Number of this process among all of a group or of torchrun's; 0, which owns the run, outside of them."""
    return int(os.environ.get("RANK", "0"))


def without_ranks() -> dict[str, str]:
    """The environment without what a launcher above us has set, for processes of our own."""
    return {name: value for name, value in os.environ.items() if not RANK_VARIABLES.fullmatch(name)}


def refuse(what: str) -> None:
    """A sweep's jobs start process groups of their own.

    Raises:
        UserError: Under torchrun.
    """
    if joined():
        raise UserError(
            f"command line: {what} can't run under torchrun; start it without, "
            "and give trainer.devices=<processes of each job>"
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


def usage(config: Config) -> str:
    """What to type on every machine where the command was started without torchrun."""
    return (
        f"trainer.nodes={config.trainer.nodes}: several machines are started with torchrun, on each of them:\n"
        f"torchrun --nnodes={config.trainer.nodes} --nproc_per_node={config.trainer.devices} --rdzv_backend=c10d "
        "--rdzv_endpoint=<first machine>:29500 -m ecomgpt <the same arguments>"
    )


@contextlib.contextmanager
def leading() -> Iterator[None]:
    """Releases ranks that are still waiting when rank 0 ends; does nothing outside torchrun."""
    try:
        yield
    finally:
        if joined():
            for key in {RUN, BUILT} - _told:
                _store().set(key, FAILED)


def clear_rank_env() -> None:
    """Clears the rank variables, so that what rank 0 does after training is single-process."""
    for name in os.environ.keys() - without_ranks().keys():
        del os.environ[name]


def publish(key: str, word: str) -> None:
    """Process 0 tells the others where the run lies (`RUN`), or whether there is anything to train (`BUILT`)."""
    if joined():
        _told.add(key)
        _store().set(key, word)


@cache
def _store() -> Any:
    from torch.distributed import PrefixStore, rendezvous

    store, _, _ = next(iter(rendezvous("env://", timeout=PATIENCE)))
    return PrefixStore("ecomgpt", store)


def wait(key: str) -> str:
    """What process 0 has published, once it has."""
    store = _store()
    store.wait([key], PATIENCE)
    return store.get(key).decode()
