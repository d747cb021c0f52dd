"""Checkpoints that are torn are passed over; a request to stop is kept until the step is whole."""

import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ecomgpt.runtime.signals import PREEMPTION, when_parent_ends
from ecomgpt.trainer.checkpoints import Checkpoints
from ecomgpt.trainer.interrupt import Interrupted, Interruption
from ecomgpt.trainer.stored import checkpoints, newest_readable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for step in (5, 10, 20):
        torch.save({"state_dict": {"weight": torch.ones(1000) * step}}, tmp_path / f"step-{step}.ckpt")
    return tmp_path


def test_the_newest_is_found_by_number_and_unfinished_ones_are_not(folder: Path) -> None:
    (folder / ".writing-step-30.ckpt").write_bytes(b"half")
    assert [path.name for path in checkpoints(folder)] == ["step-20.ckpt", "step-10.ckpt", "step-5.ckpt"]
    assert newest_readable(folder) == folder / "step-20.ckpt"
    assert newest_readable(folder / "absent") is None


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "folder"])
def test_a_torn_checkpoint_falls_back_to_the_one_before(
    folder: Path, damage: str, capsys: pytest.CaptureFixture
) -> None:
    newest = folder / "step-20.ckpt"
    whole = newest.read_bytes()
    if damage == "folder":
        newest.unlink()
        newest.mkdir()
    else:
        middle = len(whole) // 2
        newest.write_bytes(
            {"cut": whole[:middle], "empty": b"", "flipped": whole[:middle] + bytes(50) + whole[middle + 50 :]}[damage]
        )
    assert newest_readable(folder) == folder / "step-10.ckpt"
    assert "step-20.ckpt can't be read" in capsys.readouterr().err


def test_no_readable_checkpoint_means_from_the_start(folder: Path) -> None:
    for path in checkpoints(folder):
        path.write_bytes(b"")
    assert newest_readable(folder) is None


class Saver(Checkpoints):
    """Only notes what it is to save."""

    def __init__(self) -> None:
        self.saved: list[int] = []

    def save(self, trainer: Any) -> None:
        self.saved.append(trainer.global_step)


def at(step: int) -> Any:
    """Lightning's trainer after a step."""
    return SimpleNamespace(global_step=step, max_steps=10, world_size=1)


@pytest.mark.parametrize("number", [signal.SIGINT, *PREEMPTION])
def test_a_signal_waits_for_the_end_of_the_step(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    saver = Saver()
    interruption = Interruption(saver)
    interruption.start()
    try:
        os.kill(os.getpid(), number)
        assert interruption.requested and saver.saved == []
        with pytest.raises(Interrupted):
            interruption.after_step(at(4))
        assert saver.saved == [4]
        # The cluster's notice may come twice, and once more from the group's parent; a second Ctrl-C means: now.
        os.kill(os.getpid(), signal.SIGTERM)
        if number != signal.SIGINT:
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    finally:
        interruption.stop()
    assert signal.getsignal(number) is before


def test_what_follows_the_end_of_the_parent_waits_for_it() -> None:
    alive, gone = threading.Event(), threading.Event()
    when_parent_ends(os.getppid(), alive.set)
    when_parent_ends(-1, gone.set)
    assert gone.wait(10) and not alive.is_set()
