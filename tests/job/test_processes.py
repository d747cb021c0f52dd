"""Several processes train the same model as one, through the real command, and stop and go on like one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

TINY = ["job=fit", "eval=none", "model.hidden_size=32", "model.layers=2", "model.heads=2", "model.vocabulary=600", "sources.options.demo_store.products=12", "data.tasks=[product_category,intent_of_text]", "trainer.batch_tokens=2048", "trainer.micro_rows=2", "trainer.row_tokens=256"]

pytestmark = pytest.mark.dist


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    assert start(folder, "name=one", "trainer.max_steps=12").wait(120) == 0
    return folder


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "ECOMGPT_CACHE": str(folder / "cache")}
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen([sys.executable, "-m", "ecomgpt", *TINY, *arguments], cwd=folder, env=environment, stdout=output, stderr=output)


def difference(home: Path, name: str, other: str) -> float:
    one, two = (load_file(home / "outputs" / run / "model" / "model.safetensors") for run in (name, other))
    assert one.keys() == two.keys()
    return max(float((one[key] - two[key]).abs().max()) for key in one)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "deepspeed_zero1", "deepspeed_zero2", "deepspeed_zero3"])
def test_two_processes_train_the_same_model_as_one(home: Path, strategy: str) -> None:
    code = start(home, f"name={strategy}", "trainer.max_steps=12", f"strategy={strategy}", "trainer.devices=2").wait(300)
    assert code == 0, (home / "output.txt").read_text()
    # Sums in another order; AdamW makes the most of it where gradients are close to nothing. A step moves weights by 1e-3.
    assert difference(home, "one", strategy) < 5e-5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_group_that_was_stopped_goes_on(home: Path, number: signal.Signals) -> None:
    settings = ["trainer.max_steps=80", "trainer.checkpoint_every=5", "strategy=ddp", "trainer.devices=2"]
    if not (home / "outputs" / "two").exists():
        assert start(home, "name=two", *settings).wait(300) == 0
    name = f"stopped-{number.name}"
    process = start(home, f"name={name}", *settings)
    run = home / "outputs" / name
    deadline = time.time() + 120
    while not list((run / "checkpoints").glob("step-*.ckpt")) and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    code = process.wait(120)
    if number != signal.SIGKILL:
        output = (home / "output.txt").read_text()
        assert code == 1 and json.loads((run / "status.json").read_text())["state"] == "interrupted"
        assert f"name={name} continues" in output and "Traceback" not in output
    else:
        time.sleep(3)  # The orphaned processes notice after their step.
    assert not (run / "model").exists(), "it ended before it could be stopped"
    assert start(home, f"name={name}", *settings).wait(300) == 0, (home / "output.txt").read_text()
    assert "continuing from step-" in (home / "output.txt").read_text()
    assert difference(home, "two", name) == 0
    steps = [line.split(",")[0] for line in (run / "logs" / "metrics.csv").read_text().strip().split("\n")[1:]]
    assert steps == [str(step) for step in range(1, 81)]
