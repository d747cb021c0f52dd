"""Sweeps as a user starts them: a preview runs nothing, a killed job spares the others, the same command goes on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LINE = [
    sys.executable,
    "-m",
    "ecomgpt",
    "--multirun",
    "data=no_atomic,full_cot",
    "name=abl",
    "trainer.max_steps=2",
    "model.hidden_size=32",
    "model.layers=2",
    "model.heads=2",
    "model.vocabulary=600",
    "sources.options.demo_store.products=12",
    "data.tasks=[product_category,intent_of_text]",
    "eval.limit=2",
    "eval.tasks=[en-demo-product_category]",
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ECOMGPT_CACHE", str(tmp_path / "cache"))
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([*LINE, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)


def states(folder: Path) -> dict[str, str]:
    return {job["name"]: job["state"] for job in json.loads((folder / "sweep.json").read_text())["jobs"]}


def kill_when_running(status: Path) -> None:
    """SIGKILL for the job whose status file this is, as soon as it works."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            found = json.loads(status.read_text())
        except (OSError, ValueError):
            found = {}
        if found.get("state") == "running" and found.get("stage") in ("build", "fit"):
            os.kill(found["pid"], signal.SIGKILL)
            return
        time.sleep(0.05)
    pytest.fail(f"{status} never said that its job runs")


def test_a_killed_job_spares_the_others_and_is_all_that_runs_again(home: Path) -> None:
    preview = run(home, "preview=true")
    assert preview.returncode == 0 and "2 to run, 0 done already" in preview.stdout, preview.stderr
    assert not (home / "multirun").exists() and not (home / "outputs").exists()

    folder = home / "multirun" / "abl"
    with subprocess.Popen(LINE, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        kill_when_running(folder / "data-no_atomic" / "status.json")
        twice = run(home)
        assert twice.returncode == 2 and "another process runs the sweep" in twice.stderr
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 1 and "failed: data-no_atomic: killed by signal 9" in errors
    assert states(folder) == {"data-no_atomic": "failed", "data-full_cot": "done"}

    finished = (folder / "data-full_cot" / "status.json").read_text()
    again = run(home)
    assert again.returncode == 0, again.stderr
    assert states(folder) == {"data-no_atomic": "done", "data-full_cot": "done"}
    assert (folder / "data-full_cot" / "status.json").read_text() == finished
    with (folder / "results.csv").open(newline="") as file:
        assert {(row["job"], row["arm"]) for row in csv.DictReader(file)} == {
            (job, arm) for job in ("data-no_atomic", "data-full_cot") for arm in ("trained", "untrained")
        }

    other = run(home, "trainer.max_steps=3")
    assert other.returncode == 2 and other.stderr.count("trainer.max_steps was 2, is now 3") == 2

    before = {path: path.read_text() for path in folder.glob("*/status.json")}
    third = run(home)
    assert third.returncode == 0 and "2 done already" in third.stdout
    assert {path: path.read_text() for path in folder.glob("*/status.json")} == before
