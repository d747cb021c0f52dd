"""Groups of processes through the real command: stopped, killed, swept over, and under torchrun."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file
from support import TINY

SETTINGS = [
    *TINY,
    "job=fit",
    "eval=none",
    "trainer.loggers=[]",
    "data.tasks=[product_category,intent_of_text]",
    "trainer.batch_tokens=2048",
    "trainer.micro_rows=2",
    "trainer.row_tokens=256",
    "trainer.accelerator=cpu",
]
TWO = ["strategy=ddp", "trainer.devices=2", "trainer.checkpoint_every=4"]

PATIENCE = 1200
"""Seconds after which a process counts as hanging, on a machine with other work to do."""

pytestmark = pytest.mark.dist


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    assert start(folder, "name=one", "trainer.max_steps=24").wait(PATIENCE) == 0, output(folder)
    return folder


def start(
    folder: Path, *arguments: str, launcher: tuple[str, ...] = ("-m", "ecomgpt"), **variables: str
) -> subprocess.Popen:
    environment = {**os.environ, "ECOMGPT_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1", **variables}
    with (folder / "output.txt").open("w") as file:
        return subprocess.Popen(
            [sys.executable, *launcher, *SETTINGS, *arguments], cwd=folder, env=environment, stdout=file, stderr=file
        )


def output(folder: Path) -> str:
    return (folder / "output.txt").read_text()


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> None:
    deadline = time.time() + PATIENCE
    while not condition() and process.poll() is None and time.time() < deadline:
        time.sleep(0.02)
    assert condition(), "it ended before it could be stopped"


def saved(run: Path) -> list[Path]:
    return list((run / "checkpoints").glob("step-*.ckpt"))


def status(run: Path) -> dict:
    return json.loads((run / "status.json").read_text())


def difference(home: Path, name: str, other: str) -> float:
    one, two = (load_file(home / "outputs" / run / "model" / "model.safetensors") for run in (name, other))
    assert one.keys() == two.keys()
    return max(float((one[key] - two[key]).abs().max()) for key in one)


def test_preempted_and_gone_on(home: Path) -> None:
    """SIGTERM to the command and to its processes at once, as a cluster sends it."""
    process = start(home, "name=preempted", *TWO, "trainer.max_steps=24")
    run = home / "outputs" / "preempted"
    wait_for(lambda: saved(run), process)
    for member in [process, *psutil.Process(process.pid).children()]:
        member.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 1 and status(run)["state"] == "interrupted", output(home)
    assert "name=preempted continues" in output(home) and "Traceback" not in output(home)
    assert not (run / "model").exists()
    assert start(home, "name=preempted", *TWO, "trainer.max_steps=24").wait(PATIENCE) == 0, output(home)
    assert "continuing from step-" in output(home) and difference(home, "one", "preempted") < 5e-5
    steps = [line.split(",")[0] for line in (run / "logs" / "metrics.csv").read_text().strip().split("\n")[1:]]
    assert steps == [str(step) for step in range(1, 25)]


@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_is_killed_ends_the_job_at_once(home: Path, victim: int) -> None:
    process = start(home, f"name=killed-{victim}", *TWO, "trainer.max_steps=100000")
    run = home / "outputs" / f"killed-{victim}"
    wait_for(lambda: saved(run), process)
    members = sorted(psutil.Process(process.pid).children(), key=lambda member: member.pid)
    assert len(members) == 2
    members[victim].kill()
    assert process.wait(PATIENCE) == 1
    cause = f"training process {victim} was killed by SIGKILL"
    assert cause in output(home) and cause in status(run)["error"] and status(run)["state"] == "failed"
    assert "Traceback" not in output(home)
    assert not psutil.wait_procs(members, 1)[1], "processes are left"


def test_processes_whose_parent_is_killed_do_not_stay(home: Path) -> None:
    process = start(home, "name=orphans", *TWO, "trainer.max_steps=100000")
    run = home / "outputs" / "orphans"
    wait_for(lambda: saved(run), process)
    members = psutil.Process(process.pid).children()
    process.kill()
    assert not psutil.wait_procs(members, PATIENCE)[1], "processes are left"
    assert status(run)["state"] == "running"  # Nobody was there to say otherwise; the next start finds no such process.
    assert max(int(path.stem[5:]) for path in saved(run)) >= 4


def test_a_mistake_in_a_process_is_told_once(home: Path) -> None:
    """The disk of checkpoints can't be written: every process sees it, the user reads it once."""
    run = home / "outputs" / "mistake"
    run.mkdir()
    (run / "checkpoints").write_text("a file in the place of the folder")
    write = '{"state": "failed"}'
    (run / "status.json").write_text(write)
    assert start(home, "name=mistake", *TWO, "trainer.max_steps=8").wait(PATIENCE) == 1
    assert (
        output(home).count("the job failed") == 1 and "checkpoints" in output(home) and "Traceback" not in output(home)
    )


def test_a_sweep_over_world_sizes_replays_nothing(home: Path) -> None:
    """Each job is a process group of its own; children know nothing of the sweep (lightning #11617, hydra #2070)."""
    process = start(home, "--multirun", "strategy=ddp", "trainer.devices=1,2", "trainer.max_steps=8", "name=worlds")
    assert process.wait(PATIENCE) == 0, output(home)
    sweep = home / "multirun" / "worlds"
    runs = sorted(path.parent for path in sweep.glob("*/config.yaml"))
    assert [status(run)["state"] for run in runs] == ["done", "done"]
    assert len(list(home.glob("multirun/*"))) == 1, "a child has made a sweep of its own"
    curves = [
        [float(line.split(",")[1]) for line in (run / "logs/metrics.csv").read_text().strip().split("\n")[1:]]
        for run in runs
    ]
    assert len(curves[0]) == len(curves[1]) == 8
    # A job that had trained alone on half of each batch would be far off.
    assert max(abs(a - b) for a, b in zip(*curves, strict=True)) < 1e-5


def test_torchrun_on_one_machine(home: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "ecomgpt")
    assert (
        start(home, "strategy=ddp", "name=torchrun", "trainer.max_steps=24", launcher=launcher).wait(PATIENCE) == 0
    ), output(home)
    assert difference(home, "one", "torchrun") < 5e-5
    assert status(home / "outputs" / "torchrun")["state"] == "done"


def test_torchrun_on_two_machines(home: Path) -> None:
    """Two of torchrun's agents on this machine, each with one process and a cache of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = (
        "-m",
        "torch.distributed.run",
        "--nnodes=2",
        "--nproc_per_node=1",
        "--rdzv_backend=c10d",
        f"--rdzv_endpoint=127.0.0.1:{port}",
        "--rdzv_id=1",
        "--local_addr=127.0.0.1",
        "-m",
        "ecomgpt",
    )
    arguments = ("strategy=fsdp", "name=machines", "trainer.max_steps=24", "trainer.checkpoint_every=12")
    machines = [
        start(home, *arguments, launcher=launcher, ECOMGPT_CACHE=str(home / f"cache-{number}")) for number in range(2)
    ]
    assert [machine.wait(PATIENCE) for machine in machines] == [0, 0], output(home)
    assert difference(home, "one", "machines") < 5e-5
    origin = json.loads((home / "outputs/machines/checkpoints/step-24.ckpt/origin.json").read_text())
    assert origin["processes"] == 2


def test_what_torchrun_can_not_do_is_refused_everywhere(home: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "ecomgpt")
    process = start(home, "strategy=ddp", "trainer.devices=4", "name=wrong", launcher=launcher)
    assert process.wait(PATIENCE) == 1
    assert "trainer.devices=4, but torchrun has started 2; leave the key out" in output(home)
    process = start(home, "strategy=ddp", "trainer.nodes=2", "name=wrong")
    assert process.wait(PATIENCE) == 2 and "torchrun --nnodes=2 --nproc_per_node=1" in output(home)
    assert not (home / "outputs" / "wrong").exists()
