"""Which checkpoint a run goes on from, and with which strategies."""

import json
import pickle
from pathlib import Path

import pytest
import torch

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import Config, StrategyConfig, TrainerConfig
from ecomgpt.trainer.stored import newest_readable, origin, resume_point, seal

STRATEGIES = {
    name: StrategyConfig(name=name, **settings)
    for name, settings in {
        "auto": {},
        "ddp": {"kind": "ddp"},
        "fsdp": {"kind": "fsdp"},
        "zero1": {"kind": "deepspeed", "stage": 1},
        "zero2": {"kind": "deepspeed", "stage": 2},
        "zero3": {"kind": "deepspeed", "stage": 3},
        "zero3_offload": {"kind": "deepspeed", "stage": 3, "offload_optimizer": True, "offload_parameters": True},
    }.items()
}


def config(name: str, processes: int = 1) -> Config:
    return Config(strategy=STRATEGIES[name], trainer=TrainerConfig(devices=processes))


def written(folder: Path, step: int, by: Config) -> Path:
    path = folder / f"step-{step}.ckpt"
    if by.strategy.kind in ("single", "ddp"):
        torch.save({"state_dict": {}}, path)
        return path
    path.mkdir()
    torch.save({}, path / "meta.pt")
    (path / "__0_0.distcp").write_bytes(b"shard of process 0")
    seal(path, origin(by.trainer, by.strategy))
    return path


@pytest.mark.parametrize(
    ("writer", "reader", "fits"),
    [
        (("auto", 1), ("auto", 1), True),
        (("auto", 1), ("ddp", 2), True),
        (("ddp", 2), ("auto", 1), True),
        (("ddp", 4), ("ddp", 2), True),
        (("auto", 1), ("fsdp", 2), True),
        (("fsdp", 4), ("fsdp", 2), True),
        (("fsdp", 2), ("auto", 1), False),
        (("fsdp", 2), ("zero3", 2), False),
        (("auto", 1), ("zero2", 1), False),
        (("zero2", 2), ("zero2", 2), True),
        (("zero2", 2), ("zero2", 1), False),
        (("zero2", 2), ("zero1", 2), False),
        (("zero3", 2), ("zero3_offload", 2), False),
        (("zero3", 2), ("fsdp", 2), False),
    ],
    ids=str,
)
def test_who_goes_on_from_whose_checkpoint(writer: tuple, reader: tuple, fits: bool, tmp_path: Path) -> None:
    by, to = config(*writer), config(*reader)
    path = written(tmp_path, 5, by)
    if fits:
        assert resume_point(tmp_path, to.trainer, to.strategy) == path
        return
    with pytest.raises(UserError) as error:
        resume_point(tmp_path, to.trainer, to.strategy)
    text = str(error.value)
    assert f"strategy={to.strategy.name} with {reader[1]}" in text and "start anew from its weights" in text
    assert path.is_file() or f"strategy={by.strategy.name}" in text


@pytest.mark.parametrize(
    "damage", ["a shard is missing", "a shard is cut", "the list is missing", "the list is torn", "a file is flipped"]
)
def test_a_torn_folder_falls_back_to_the_one_before(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by = config("fsdp", 2)
    good, torn = written(tmp_path, 5, by), written(tmp_path, 10, by)
    if damage == "a shard is missing":
        (torn / "__0_0.distcp").unlink()
    elif damage == "a shard is cut":
        (torn / "__0_0.distcp").write_bytes(b"shard")
    elif damage == "the list is missing":
        (torn / "origin.json").unlink()
    elif damage == "the list is torn":
        (torn / "origin.json").write_text('{"kind": "fs')
    else:
        whole = (torn / "meta.pt").read_bytes()
        (torn / "meta.pt").write_bytes(whole[:100] + bytes(40) + whole[140:])
    assert newest_readable(tmp_path) == good
    assert "step-10.ckpt can't be read" in capsys.readouterr().err
    # Every process of a group takes the newest by name; so the torn one gets another.
    assert resume_point(tmp_path, by.trainer, by.strategy) == good
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged-step-10.ckpt", "step-5.ckpt"]


def test_the_list_names_writer_and_files(tmp_path: Path) -> None:
    path = written(tmp_path, 5, config("zero3_offload", 2))
    found = json.loads((path / "origin.json").read_text())
    assert found["strategy"] == "zero3_offload" and found["processes"] == 2 and found["stage"] == 3
    assert set(found["files"]) == {"meta.pt", "__0_0.distcp"}


def test_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert resume_point(tmp_path / "absent", TrainerConfig(), STRATEGIES["auto"]) is None


class Evil:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("evil"),)


def test_deepspeeds_checkpoints_run_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("deepspeed")
    from ecomgpt.strategy.lightning_deepspeed import restricted_unpickling

    monkeypatch.chdir(tmp_path)
    torch.save({"module": Evil()}, "checkpoint.pt")
    with restricted_unpickling(), pytest.raises(Exception, match=r"(?i)weights.only"):
        torch.load("checkpoint.pt", weights_only=False)
    assert not Path("evil").exists()
    torch.load("checkpoint.pt", weights_only=False)
    assert Path("evil").exists(), "the test's own file is harmless"


def test_fsdps_list_of_shards_runs_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    by = config("fsdp", 2)
    good, evil = written(tmp_path, 5, by), written(tmp_path, 10, by)
    (evil / ".metadata").write_bytes(pickle.dumps(Evil()))
    (evil / "origin.json").unlink()
    seal(evil, origin(by.trainer, by.strategy))
    assert newest_readable(tmp_path) == good and not Path("evil").exists()
    assert "step-10.ckpt can't be read (.metadata: it names " in capsys.readouterr().err
