"""Files and folders on disk: whole after every kill, and never used once they have changed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ecomgpt.common import files
from ecomgpt.common.errors import UserError
from ecomgpt.common.files import clear_leftovers, read_json, replacing, replacing_folder, write_json
from ecomgpt.common.sealed import SEAL, damage, require_whole, seal
from ecomgpt.data.cache import cached_dir

WRITER = """
import os, signal, sys, time
from pathlib import Path
from ecomgpt.common import files
target = Path(sys.argv[1])
if sys.argv[2] == "between":
    files._remove = lambda path: None
    rename = Path.replace
    def replace(self, other):
        if self.name.endswith(files.WRITING):
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(self, other)
    Path.replace = replace
with files.replacing_folder(target) as folder:
    (folder / "new").write_text("new")
    if sys.argv[2] == "inside":
        print("ready", flush=True)
        time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_cleared", set())


def writer(target: Path, where: str) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target), where], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    if where == "inside":
        assert started.stdout and started.stdout.readline() == "ready\n"
    return started


def test_what_a_killed_writer_left_is_cleared_and_a_living_ones_is_not(tmp_path: Path) -> None:
    target = tmp_path / "model"
    working = writer(target, "inside")
    (tmp_path / ".model.swp").write_text("somebody else's")
    write_json(tmp_path / "status.json", {})
    assert len(names(tmp_path)) == 3 and any(name.endswith(files.WRITING) for name in names(tmp_path))
    working.send_signal(signal.SIGKILL)
    working.wait()
    files._cleared.clear()  # As the next process begins.
    write_json(tmp_path / "status.json", {})
    assert names(tmp_path) == [".model.swp", "status.json"]


def test_a_kill_between_the_renames_loses_nothing(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with replacing_folder(target) as folder:
        (folder / "old").write_text("old")
    assert writer(target, "between").wait() == -signal.SIGKILL
    assert not target.exists()
    files._cleared.clear()
    clear_leftovers(tmp_path)
    assert names(tmp_path) == ["model"] and names(target) == ["old"]
    with replacing_folder(target) as folder:
        (folder / "new").write_text("new")
    assert names(tmp_path) == ["model"] and names(target) == ["new"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    write_json(tmp_path / "one.json", {"a": 1})
    with pytest.raises(ValueError), replacing(tmp_path / "one.json") as temporary:
        temporary.write_text("half")
        raise ValueError
    with pytest.raises(ValueError), replacing_folder(tmp_path / "two"):
        raise ValueError
    assert names(tmp_path) == ["one.json"] and read_json(tmp_path / "one.json") == {"a": 1}


@pytest.mark.parametrize("torn", ["", "{", "[1]", "[" * 100_000])
def test_damaged_json_is_named(tmp_path: Path, torn: str) -> None:
    (tmp_path / "metrics.json").write_text(torn)
    with pytest.raises(UserError, match=r"metrics\.json: is damaged"):
        read_json(tmp_path / "metrics.json")


def spoil(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": data[:-4], "longer": data + b"x", "flipped": bytes([data[0] ^ 1]) + data[1:]}[how])


@pytest.mark.parametrize("how", ["cut", "longer", "flipped", "gone"])
@pytest.mark.parametrize("name", ["tokens.bin", f"sub/{SEAL[0]}.json", SEAL])
def test_a_damaged_cache_is_told_and_written_again(
    tmp_path: Path, name: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written = []

    def write(folder: Path) -> None:
        written.append(folder)
        (folder / "sub").mkdir()
        (folder / "tokens.bin").write_bytes(b"0123456789")
        (folder / f"sub/{SEAL[0]}.json").write_text(json.dumps({"a": 1}))

    folder = cached_dir(tmp_path / "cache" / "abc", write)
    cached_dir(folder, write)
    assert len(written) == 1 and not capsys.readouterr().err
    spoil(folder / name, how)
    cached_dir(folder, write)
    message = capsys.readouterr().err
    assert len(written) == 2 and damage(folder) is None and str(folder) in message and name in message
    assert (folder / "tokens.bin").read_bytes() == b"0123456789"


def test_a_damaged_export_is_refused_and_a_foreign_folder_passes(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "README.md").write_text("card")
    require_whole(tmp_path, "export again")
    seal(tmp_path, without=["README.md"])
    (tmp_path / "README.md").write_text("card with scores")
    require_whole(tmp_path, "export again")
    spoil(tmp_path / "model.safetensors", "flipped")
    with pytest.raises(UserError, match=r"'model\.safetensors' in it holds something else.*export again"):
        require_whole(tmp_path, "export again")
