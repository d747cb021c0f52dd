"""Groups without training: who is told what, and what a command under torchrun may say."""

import json
import signal
from pathlib import Path

import pytest

from ecomgpt.common.errors import JobFailure, UserError
from ecomgpt.runtime import torchrun
from ecomgpt.runtime.process_group import INTERRUPTED, _conclude


def reason(folder: Path, rank: int, at: float, text: str, user: bool = False) -> None:
    (folder / f"{rank}.json").write_text(json.dumps({"at": at, "rank": rank, "text": text, "user": user}))


def test_all_is_well(tmp_path: Path) -> None:
    _conclude([(1, 0), (0, 0)], tmp_path)


def test_the_first_to_fail_names_the_cause(tmp_path: Path) -> None:
    reason(tmp_path, 0, 2.0, "RuntimeError: connection closed by peer")
    reason(tmp_path, 1, 1.0, "ValueError: a broken row")
    with pytest.raises(JobFailure, match=r"ValueError: a broken row \(in training process 1\)"):
        _conclude([(0, 1), (1, 1)], tmp_path)


def test_a_killed_process_is_the_cause_whatever_the_others_say(tmp_path: Path) -> None:
    reason(tmp_path, 0, 1.0, "RuntimeError: connection closed by peer")
    with pytest.raises(
        JobFailure, match="training process 1 was killed by SIGKILL; the system does this where main memory runs out"
    ):
        _conclude([(1, -signal.SIGKILL), (0, 1)], tmp_path)


def test_a_users_mistake_stays_one(tmp_path: Path) -> None:
    reason(tmp_path, 0, 1.0, "name: the checkpoint was trained on another mixture", user=True)
    with pytest.raises(UserError, match="another mixture"):
        _conclude([(0, 1), (1, 1)], tmp_path)


def test_an_end_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(JobFailure, match="training process 1 ended with exit code 3"):
        _conclude([(1, 3), (0, INTERRUPTED)], tmp_path)


def test_an_interruption_is_no_failure(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _conclude([(1, INTERRUPTED), (0, INTERRUPTED)], tmp_path)


@pytest.fixture
def under_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "9", "WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8", "TORCHELASTIC_RUN_ID": "1"}.items():
        monkeypatch.setenv(name, value)


def test_devices_and_nodes_are_torchruns(under_torchrun: None) -> None:
    assert torchrun.overrides(["strategy=fsdp"]) == ["strategy=fsdp", "trainer.devices=8", "trainer.nodes=2"]
    assert torchrun.overrides(["trainer.nodes=2"]) == ["trainer.nodes=2", "trainer.devices=8"]
    with pytest.raises(UserError, match=r"trainer\.devices=4, but torchrun has started 8; leave the key out"):
        torchrun.overrides(["trainer.devices=4"])
    with pytest.raises(UserError, match="--multirun can't run under torchrun"):
        torchrun.refuse("--multirun")


def test_after_training_the_first_process_is_one_of_its_own(under_torchrun: None) -> None:
    assert torchrun.joined()
    torchrun.clear_rank_env()
    assert not torchrun.joined()


def test_outside_torchrun_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    # A cluster's scheduler may set RANK for machines, without torchrun.
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("RANK", "1")
    assert not torchrun.joined() and torchrun.overrides(["seed=1"]) == ["seed=1"]
    torchrun.refuse("--multirun")
