"""A full disk: room is looked for before a checkpoint is written, the last good one stays, and the message says how
much is needed."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ecomgpt.common.errors import JobFailure
from ecomgpt.config.schema import StrategyConfig, TrainerConfig
from ecomgpt.trainer import checkpoints as room
from ecomgpt.trainer.checkpoints import Checkpoints, DirectIO, expected_bytes
from ecomgpt.trainer.stored import checkpoints

WEIGHTS = 400_000


def saving_in(folder: Path) -> Checkpoints:
    return Checkpoints(
        folder, TrainerConfig(checkpoint_every=1, keep_checkpoints=3), StrategyConfig(name="auto"), "fingerprint"
    )


class Trainer(SimpleNamespace):
    """What `Checkpoints` uses of Lightning's trainer; it writes what AdamW would have."""

    def __init__(self) -> None:
        module = torch.nn.Linear(WEIGHTS, 1, bias=False)
        strategy = SimpleNamespace(broadcast=lambda value: value, barrier=lambda name: None)
        super().__init__(global_step=0, lightning_module=module, strategy=strategy, is_global_zero=True)

    def save_checkpoint(self, path: Path) -> None:
        DirectIO().save_checkpoint({"weights": torch.ones(WEIGHTS), "moments": torch.ones(2, WEIGHTS)}, path)


def step(saver: Checkpoints, trainer: Trainer) -> None:
    trainer.global_step += 1
    saver.save(trainer)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_expected_size_is_the_real_one(tmp_path: Path) -> None:
    trainer = Trainer()
    step(saving_in(tmp_path), trainer)
    real = (tmp_path / "step-1.ckpt").stat().st_size
    assert real <= expected_bytes(trainer.lightning_module, own_masters=False) <= real * 1.05 + room.SMALL
    assert expected_bytes(trainer.lightning_module, own_masters=True) > real * 1.3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 13 MB: room for two checkpoints of 4.8 MB, or for one and one that is expected (5.9 MB)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=13m", "tmpfs", str(folder)], capture_output=True
        ).returncode
    ):
        pytest.skip("mounting a small file system needs root")
    yield folder / "checkpoints"
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_real_full_disk(small_disk: Path) -> None:
    trainer, saver = Trainer(), saving_in(small_disk)
    saver.start(trainer)
    for _ in range(4):
        step(saver, trainer)
    # Three were wanted; older ones are given up as room is needed, the newest stay.
    assert names(small_disk) == ["step-3.ckpt", "step-4.ckpt"]
    (small_disk / "other-peoples-file").write_bytes(bytes(3_500_000))
    with pytest.raises(JobFailure) as error:
        step(saver, trainer)
    assert names(small_disk) == ["other-peoples-file", "step-4.ckpt"]
    assert (
        "it needs 5.9 MB" in str(error.value)
        and "room for" in str(error.value)
        and "continues from step-4.ckpt" in str(error.value)
    )
    torch.load(small_disk / "step-4.ckpt", weights_only=True)


def test_a_write_that_fails_half_way(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs fill the disk while the checkpoint is being written."""
    trainer, saver = Trainer(), saving_in(small_disk)
    step(saver, trainer)
    (small_disk / "other-peoples-file").write_bytes(bytes(6_500_000))
    monkeypatch.setattr(Checkpoints, "_make_room", lambda self, module: None)
    with pytest.raises(JobFailure, match=r"no room for a checkpoint: it needs .* continues from step-1.ckpt"):
        step(saver, trainer)
    assert names(small_disk) == ["other-peoples-file", "step-1.ckpt"]


def test_other_trouble_in_writing_is_told_as_it_is(tmp_path: Path) -> None:
    trainer, saver = Trainer(), saving_in(tmp_path)
    step(saver, trainer)

    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(5, "Input/output error")

    trainer.save_checkpoint = fail
    with pytest.raises(
        JobFailure, match=r"cannot write .*Input/output error; The same command then continues from step-1.ckpt"
    ):
        step(saver, trainer)
    assert names(tmp_path) == ["step-1.ckpt"]


def test_a_run_is_refused_at_its_start_where_no_checkpoint_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000_000))
    trainer = Trainer()
    with pytest.raises(JobFailure, match="There is no earlier checkpoint"):
        saving_in(tmp_path).start(trainer)


def test_what_a_kill_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".writing-step-7.ckpt").mkdir()
    (tmp_path / "damaged-step-7.ckpt").write_bytes(b"")
    trainer = Trainer()
    step(saving_in(tmp_path), trainer)
    assert names(tmp_path) == ["step-1.ckpt"] and checkpoints(tmp_path)
