"""Checkpoints that are torn are passed over; a request to stop is kept until the step is whole."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ecomgpt.run.process_group import PARENT
from ecomgpt.run.signals import PREEMPTION
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
    def __init__(self) -> None:
        self.saved: list[int] = []

    def save(self, trainer) -> None:
        self.saved.append(trainer.global_step)


def fake_trainer(step: int) -> SimpleNamespace:
    return SimpleNamespace(global_step=step, max_steps=10, accumulate_grad_batches=2, world_size=1)


@pytest.mark.parametrize("number", [signal.SIGINT, *PREEMPTION])
def test_a_signal_waits_for_the_border_of_the_step(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    saver = Saver()
    callback = Interruption(saver)
    callback.on_train_start(fake_trainer(0), None)
    try:
        os.kill(os.getpid(), number)
        callback.on_train_batch_end(fake_trainer(3), None, None, None, 6)  # In the middle of the fourth step.
        assert saver.saved == []
        with pytest.raises(Interrupted):
            callback.on_train_batch_end(fake_trainer(4), None, None, None, 7)
        assert saver.saved == [4]
        # The cluster's notice may come twice, and once more from the group's parent; a second Ctrl-C means: now.
        callback._note(signal.SIGTERM, None)
        if number != signal.SIGINT:
            callback._note(signal.SIGINT, None)
        with pytest.raises(KeyboardInterrupt):
            callback._note(signal.SIGINT, None)
    finally:
        callback.on_exception(fake_trainer(4), None, Interrupted())
    assert signal.getsignal(number) is before


def test_a_group_stops_when_its_parent_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    saver = Saver()
    monkeypatch.setenv(PARENT, str(os.getppid()))
    Interruption(saver).on_train_batch_end(fake_trainer(4), None, None, None, 7)
    process = os.fork()
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)
    monkeypatch.setenv(PARENT, str(process))
    with pytest.raises(Interrupted):
        Interruption(saver).on_train_batch_end(fake_trainer(4), None, None, None, 7)
    assert saver.saved == [4]
