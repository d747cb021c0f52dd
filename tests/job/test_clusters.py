"""A sweep through submitit: the batch script for SLURM, run on this machine by stand-ins for its commands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.dist

# Runs the submitted script once per task of the array, as SLURM would on separate nodes.
SBATCH = f"""#!{sys.executable}
import os, re, subprocess, sys
script = sys.argv[-1]
text = open(script).read()
for task in range(int(re.search(r"--array=0-(\\d+)", text).group(1)) + 1):
    own = {{"JOB_ID": str(700 + task), "ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": str(task), "NTASKS": "1",
           "JOB_NUM_NODES": "1",
           "PROCID": "0", "LOCALID": "0", "NODEID": "0", "JOB_NODELIST": "node1", "JOB_NAME": "ecomgpt"}}
    environment = {{**os.environ, **{{"SLURM_" + name: value for name, value in own.items()}}}}
    subprocess.Popen(["bash", script], env=environment, start_new_session=True, stdin=subprocess.DEVNULL,
                     stdout=open(f"task-{{task}}.txt", "w"), stderr=subprocess.STDOUT)
print("Submitted batch job 7")
"""
SRUN = f"""#!{sys.executable}
import os, sys
words = enumerate(sys.argv)
command = sys.argv[next(number for number, word in words if "python" in os.path.basename(word) and number > 0):]
os.execv(command[0], command)
"""
SACCT = """#!/bin/sh
echo "JobID|State|NodeList"
echo "7_0|RUNNING|node1"
echo "7_1|RUNNING|node1"
"""


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """An environment with the stand-ins."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="pip install 'ecomgpt[cluster]'")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("sacct", SACCT), ("scontrol", "#!/bin/sh\necho node1\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    own = {"PATH": f"{folder}:{os.environ['PATH']}", "ECOMGPT_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own}


def test_a_sweep_on_slurm(slurm: dict[str, str], tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "ecomgpt",
        "--multirun",
        "hydra/launcher=slurm",
        "hydra.launcher.partition=gpu",
        "hydra.launcher.timeout_min=90",
        "seed=1,2",
        "strategy=ddp",
        "trainer.devices=2",
        "name=cluster",
        "job=fit",
        "eval=none",
        "model.hidden_size=32",
        "model.layers=2",
        "model.heads=2",
        "model.vocabulary=600",
        "sources.options.demo_store.products=12",
        "data.tasks=[product_category]",
        "trainer.batch_tokens=1024",
        "trainer.row_tokens=256",
        "trainer.micro_rows=1",
        "trainer.max_steps=3",
        "trainer.loggers=[]",
        "trainer.accelerator=cpu",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=slurm, capture_output=True, text=True, timeout=1200)
    printed = done.stdout + done.stderr + "".join(path.read_text() for path in tmp_path.glob("task-*.txt"))
    assert done.returncode == 0, printed
    sweep = tmp_path / "multirun" / "cluster"
    jobs = json.loads((sweep / "sweep.json").read_text())["jobs"]
    assert [job["state"] for job in jobs] == ["done", "done"], printed
    assert all((sweep / job["name"] / "model" / "model.safetensors").is_file() for job in jobs)
    (script,) = sweep.rglob("7_submission.sh")
    flags = dict(re.findall(r"#SBATCH --([a-z-]+)=(\S+)", script.read_text()))
    assert (
        flags["job-name"] == "ecomgpt"
        and flags["partition"] == "gpu"
        and flags["time"] == "90"
        and flags["gpus-per-node"] == "2"
        and flags["ntasks-per-node"] == "1"
    )
    assert flags["nodes"] == "1" and flags["signal"] == "USR2@600" and flags["array"] == "0-1%2"
