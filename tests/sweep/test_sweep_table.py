"""The live table of a sweep, from the jobs' own status files."""

from pathlib import Path

from ecomgpt.cli.sweep.plan import Sweep
from ecomgpt.cli.sweep.results import Job, mark_dead_jobs
from ecomgpt.cli.sweep.table import facts
from ecomgpt.common.files import write_json
from ecomgpt.runtime.directory import Run

BEAT = {"step": 20, "steps": 100, "loss": 1.25, "seconds_left": 300.0}


def test_a_job_in_training_shows_step_loss_and_time_left() -> None:
    status = {"state": "running", "stage": "fit", "heartbeat": BEAT}
    assert facts(Job("seed-1", [], status)) == "step 20/100  loss 1.250  5 min left"
    assert facts(Job("seed-1", [], {**status, "stage": "evaluate"})) == ""


def test_a_running_job_whose_process_is_gone_is_marked_failed(tmp_path: Path) -> None:
    write_json(tmp_path / "seed-1" / "status.json", {"state": "running", "pid": None, "host": "elsewhere"})
    mark_dead_jobs(Sweep(tmp_path, [], [], [], [["seed=1"]], "x"))
    assert Run(tmp_path / "seed-1").status()["state"] == "failed"
