"""The real command: killed half-way, interrupted, and in two processes, an evaluation ends with the same files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support import bloom

pytestmark = pytest.mark.dist


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """A folder with a tiny random model and one finished evaluation of it."""
    folder = tmp_path_factory.mktemp("home")
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}
    bloom(len(tokenizer), seed=3, initializer_range=0.4, **ids).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    assert start(folder, "whole").wait(300) == 0, output(folder)
    return folder


def start(folder: Path, name: str, *arguments: str) -> subprocess.Popen:
    """Each name has a cache of its own, or it would find the answers that another one has given."""
    command = [
        "job=evaluate",
        "model=hf",
        "model.path=model",
        "sources=demo",
        "eval=demo",
        "eval.limit=24",
        "trainer.accelerator=cpu",
        "trainer.precision=fp32",
        f"paths.cache={folder / f'cache-{name}'}",
        f"name={name}",
        *arguments,
    ]
    with (folder / "output.txt").open("w") as file:
        return subprocess.Popen([sys.executable, "-m", "ecomgpt", *command], cwd=folder, stdout=file, stderr=file)


def output(folder: Path) -> str:
    return (folder / "output.txt").read_text()


def files(folder: Path, name: str) -> dict[str, bytes]:
    run = folder / "outputs" / name
    paths = [*sorted((run / "predictions").rglob("*")), run / "metrics.json"]
    return {str(path.relative_to(run)): path.read_bytes() for path in paths if path.is_file()}


def stopped(folder: Path, name: str, number: int, *arguments: str) -> subprocess.Popen:
    """Starts an evaluation and signals it as soon as one task is done and another has begun."""
    process = start(folder, name, *arguments)
    predictions = folder / "outputs" / name / "predictions"
    deadline = time.time() + 300
    while process.poll() is None and time.time() < deadline:
        parts = list(predictions.glob("*.part*"))
        if len(parts) > 2 and all(part.stat().st_size for part in parts):
            break
        time.sleep(0.005)
    assert process.poll() is None, output(folder)
    os.kill(process.pid, number)
    process.wait(60)
    return process


def test_killed_and_started_again(home: Path) -> None:
    assert stopped(home, "killed", signal.SIGKILL).returncode == -signal.SIGKILL
    unfinished = files(home, "killed")
    assert "metrics.json" not in unfinished and len(unfinished) < len(files(home, "whole"))
    assert start(home, "killed").wait(300) == 0, output(home)
    assert files(home, "killed") == files(home, "whole")


@pytest.mark.parametrize("processes", [1, 2])
def test_interrupted_and_started_again(home: Path, processes: int) -> None:
    name, devices = f"interrupted{processes}", f"trainer.devices={processes}"
    assert stopped(home, name, signal.SIGINT, devices).returncode == 1, output(home)
    assert json.loads((home / "outputs" / name / "status.json").read_text())["state"] == "interrupted"
    assert "Traceback" not in output(home)
    assert start(home, name, devices).wait(300) == 0, output(home)
    assert files(home, name) == files(home, "whole")


def test_two_processes_share_the_rows(home: Path) -> None:
    assert start(home, "two", "trainer.devices=2").wait(300) == 0, output(home)
    assert files(home, "two") == files(home, "whole")
