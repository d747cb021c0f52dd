"""Before the work: what a run lacks is told at once, problems apart from advice, on one screen."""

import json
import math
from pathlib import Path

import pytest

from ecomgpt.__main__ import main
from ecomgpt.common.errors import UserError
from ecomgpt.plan import preflight
from ecomgpt.plan.configuration import configured


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, no hub, no data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ecomgpt.model.locate._reachable", lambda *_: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in ("ECOMGPT_DATA", "ECOMGPT_MODELS"):
        monkeypatch.delenv(name, raising=False)


def lacking(*overrides: str) -> UserError:
    given = ["trainer.accelerator=cpu", *overrides]
    with pytest.raises(UserError) as error:
        preflight.require(configured(given))
    return error.value


def test_one_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(preflight, "machine", lambda config: preflight.Machine(0, 24 * 10**9, 24 * 10**9, "CPU", False))
    assert main(["model=bloomz_3b", "data=full_cot"]) == 2
    shown = capsys.readouterr().err
    assert sum(max(1, math.ceil(len(line) / 100)) for line in shown.rstrip("\n").split("\n")) <= 24
    for part in (
        "weights",
        "gradients",
        "optimizer",
        "activations",
        str(tmp_path / "models" / "bloomz-3b"),
        str(tmp_path / "data"),
    ):
        assert part in shown
    problems, advice = shown.split("\n\n")
    assert problems.count("\n  - ") == 4 and "could train" not in problems
    assert "model=bloomz_560m" in advice and "model=bloomz_7b1" not in advice
    assert list(tmp_path.iterdir()) == []


def test_what_is_advised_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "machine", lambda config: preflight.Machine(0, 24 * 10**9, 24 * 10**9, "CPU", False))
    advice = [line.split() for line in lacking("model=bloomz_7b1").advice if line.startswith("  model=")]
    assert advice
    for overrides in advice:
        config = configured(overrides)
        assert preflight.fits(config, preflight.machine(config)), overrides


def test_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "machine", lambda config: preflight.Machine(1, 10**6, 10**9, "tiny GPU", True))
    error = lacking()
    assert len(error.problems) == 1 and error.problems[0].startswith("memory: ")


@pytest.mark.parametrize(
    ("precision", "bfloat16", "halves"),
    [("auto", True, True), ("auto", False, False), ("fp32", True, False), ("bf16-mixed", False, True)],
)
def test_the_estimate_takes_the_format_that_training_will(precision: str, bfloat16: bool, halves: bool) -> None:
    def needed(given: str) -> float:
        overrides = [
            "model=bloomz_560m",
            "trainer.accelerator=cpu",
            f"trainer.precision={given}",
            "data.max_length=2048",
            "trainer.batch_tokens=2048",
        ]
        found = preflight.need(configured(overrides), preflight.Machine(0, 24 * 10**9, 24 * 10**9, "CPU", bfloat16))
        assert found is not None
        return found.device

    assert needed(precision) == needed("bf16-mixed" if halves else "fp32") != needed("fp32" if halves else "bf16-mixed")


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/nowhere", "does not exist"),
        ("./here", "does not exist"),
        ("empty", "holds no config.json"),
        ("file", "is a file"),
        ("bare", "weights beside it"),
    ],
)
def test_a_wrong_model_path(path: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.json").write_text("{}")
    (tmp_path / "file").write_text("")
    (problem, *_) = lacking("model=hf", f"model.path={path}", "sources=demo", "eval=none").problems
    assert problem.startswith("model.path: ") and part in problem and str(Path(path).absolute()) in problem


def test_a_hub_id_lists_every_place(tmp_path: Path) -> None:
    (problem,) = lacking("model=hf", "model.path=owner/name", "sources=demo", "eval=none").problems
    assert str(tmp_path / "owner" / "name") in problem and "huggingface.co/owner/name" in problem


def test_the_tiny_model_lacks_nothing() -> None:
    preflight.require(configured([]))


def test_evaluation_needs_weights(tmp_path: Path) -> None:
    assert "no weights to evaluate" in lacking("job=evaluate").problems[0]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.yaml").write_text("")
    (problem, *_) = lacking("job=evaluate", "run=old").problems
    assert "holds no trained model; continue it first, with the command that began it and name=old" in problem


def test_absent_and_empty_evaluation_files_are_told_before_training(tmp_path: Path) -> None:
    from ecomgpt.eval.task import load_eval_tasks

    task = next(task for task in load_eval_tasks() if task.format == "released")
    (problem,) = lacking(f"eval.tasks=[{task.name}]").problems
    assert problem.startswith("eval=demo: 1 of 1 tasks") and str(tmp_path / "data") in problem
    folder = tmp_path / "data" / (task.folder or "")
    folder.mkdir(parents=True)
    (folder / "test.json").write_text("")
    (folder / "meta-info.json").write_text(
        json.dumps(
            {"defi": "x", "label_key": "a", "label_set": {"a": ["b"]}, "test_prompt": {"instruction": "{sentences}"}}
        )
    )
    (problem,) = lacking(f"eval.tasks=[{task.name}]", "paths.data=data").problems
    assert "test.json" in problem and "holds no rows" in problem
    (folder / "test.json").write_text("{\n")
    (problem,) = lacking(f"eval.tasks=[{task.name}]", "paths.data=data").problems
    assert "test.json:1" in problem


def test_named_datasets_must_be_there(tmp_path: Path) -> None:
    problems = lacking("sources.datasets=[mams_absa]").problems
    assert len(problems) == 1 and "mams_absa" in problems[0]
    (tmp_path / "data" / "raw").mkdir(parents=True)
    assert "none of the" in lacking("sources=open", "eval=none").problems[0]
