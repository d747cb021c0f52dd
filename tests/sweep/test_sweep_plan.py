"""What a sweep's command line means: its jobs, their names and its directory."""

from pathlib import Path

import pytest

from ecomgpt.cli.sweep.job import cause_of_death
from ecomgpt.cli.sweep.plan import Sweep, asks_preview, directory_name, plan
from ecomgpt.cli.sweep.preview import differences
from ecomgpt.cli.sweep.results import same_configurations
from ecomgpt.common.errors import UserError
from ecomgpt.common.files import write_json
from ecomgpt.config import files
from ecomgpt.config.files import options
from ecomgpt.plan.configuration import configured
from ecomgpt.runtime.directory import Run, save

ROOTS = files.search_roots([])


def planned(*overrides: str) -> Sweep:
    return plan(list(overrides), ROOTS)


def test_jobs_are_the_product_in_the_order_of_the_command() -> None:
    sweep = planned("data=no_atomic,full_cot", "seed=1,2", "trainer.max_steps=5", "name=abl")
    assert sweep.names == [
        "data-no_atomic_seed-1",
        "data-no_atomic_seed-2",
        "data-full_cot_seed-1",
        "data-full_cot_seed-2",
    ]
    assert sweep.folder == Path("multirun/abl").absolute()
    assert all("trainer.max_steps=5" in job for job in sweep.jobs or [])


def test_a_list_is_one_value_and_stands_in_no_name() -> None:
    sweep = planned("data=no_atomic,full_cot", "eval.tasks=[en-demo-product_category,zh-demo-intent_of_text]")
    assert sweep.names == ["data-no_atomic", "data-full_cot"]


def test_ranges_and_choices_are_values_too() -> None:
    assert planned("seed=range(1,4)", "name=x").names == ["seed-1", "seed-2", "seed-3"]
    assert planned("seed=choice(4,5)", "name=x").names == ["seed-4", "seed-5"]


def test_output_folder_and_name_are_the_sweeps_own() -> None:
    sweep = planned("seed=1,2", "paths.output=/somewhere", "name=x")
    assert sweep.folder == Path("/somewhere/x") and sweep.names == ["seed-1", "seed-2"]
    assert not any(item.startswith(("name", "paths.output")) for job in sweep.jobs or [] for item in job)


@pytest.mark.parametrize("given", [["job=report"], ["job=fit,plan"], ["job=compare", "seed=1,2"]])
def test_a_job_that_makes_no_run_is_no_job_of_a_sweep(given: list[str]) -> None:
    with pytest.raises(UserError, match=r"job=(report|plan|compare) makes no run.*leave --multirun out"):
        planned(*given)


def test_what_a_person_types_to_continue_has_no_preview() -> None:
    assert planned("seed=1,2", "name=x", "preview=true").command == "python -m ecomgpt --multirun seed=1,2 name=x"


def test_keys_that_all_jobs_share_stand_in_no_name_however_they_are_quoted() -> None:
    shared = ["eval.tasks", "trainer.max_steps"]
    assert directory_name(["seed=1", "eval.tasks=['a', 'b']", "trainer.max_steps=5"], shared) == "seed-1"


@pytest.mark.parametrize(
    ("given", "shown"), [("true", True), ("True", True), ("'TRUE'", True), ("1", True), ("false", False), ("0", False)]
)
def test_a_preview_is_asked_for_in_several_spellings(given: str, shown: bool) -> None:
    assert asks_preview(["seed=1,2", f"preview={given}"]) is shown and not asks_preview(["seed=1,2"])


def test_what_may_be_meant_as_a_preview_starts_nothing() -> None:
    with pytest.raises(UserError, match="preview=true shows"):
        asks_preview(["seed=1,2", "preview=yes"])


@pytest.mark.parametrize("line", [["seed=1,1"], ["paths.data=a,b"]])
def test_jobs_that_would_share_a_directory_are_refused(line: list[str]) -> None:
    with pytest.raises(UserError, match="several jobs would lie in"):
        planned(*line, "name=x")


def test_a_search_maximises_and_continues() -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="pip install 'ecomgpt[optuna]'")
    wanted = "trainer.learning_rate=tag(log, interval(1e-5, 1e-3))"
    sweep = planned("hydra/sweeper=search", wanted, "trainer.max_steps=2", "name=x")
    assert sweep.jobs is None and sweep.shared == ["trainer.max_steps"] and sweep.holds("learning-rate-drawn-later")
    with pytest.raises(UserError, match="more is better"):
        planned("hydra/sweeper=optuna", wanted, "name=x")


def test_a_job_done_with_another_configuration_is_not_taken_for_this_one(tmp_path: Path) -> None:
    line = ["seed=1,2", "name=x", f"paths.output={tmp_path}"]
    first = planned(*line, "trainer.max_steps=5")
    for name, overrides in zip(first.names, first.jobs or [], strict=True):
        run = Run(first.folder / name)
        save(configured(overrides, ROOTS), run)
        write_json(run.path / "overrides.json", overrides)
    same_configurations(planned(*line, "trainer.max_steps=5"), ROOTS)
    same_configurations(planned(*line, "trainer.max_steps=5", "trainer.threads=1"), ROOTS)
    same_configurations(planned(*line, "trainer.max_steps=6", "overwrite=true"), ROOTS)
    with pytest.raises(UserError, match="was 5, is now 6") as caught:
        same_configurations(planned(*line, "trainer.max_steps=6"), ROOTS)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("line", [["seed=1,2", "name=a,b"], ["seed=1,2", "nmae=x"], ["data=no_atomic,nothing"]])
def test_mistakes_are_told_before_any_work(line: list[str]) -> None:
    with pytest.raises(UserError):
        planned(*line)


def test_differences_name_a_swept_option_once() -> None:
    configs = [
        configured([f"data={name}", f"seed={seed}"], ROOTS) for name in ("no_atomic", "full_cot") for seed in (1, 2)
    ]
    assert differences(configs) == ["data.name", "seed"]


def test_causes_of_death_are_named() -> None:
    assert (
        "SIGKILL" in cause_of_death(-9)
        and "SIGSEGV" in cause_of_death(-11)
        and cause_of_death(3) == "ended with exit code 3"
    )


@pytest.mark.parametrize("study", sorted(options(files.STUDIES, ROOTS)))
def test_every_study_lists_its_jobs_and_says_what_it_asks(study: str) -> None:
    sweep = planned(f"+experiments={study}")
    assert sweep.jobs and len(set(sweep.names)) == len(sweep.jobs) and sweep.folder.name == study
    text = options(files.STUDIES, ROOTS)[study].read_text()
    assert f"python -m ecomgpt --multirun +experiments={study}" in text and "Question:" in text
