"""job=plan as a user types it: memory, disk, what fits where, and the speed of the real model, measured last."""

import re
from pathlib import Path

import pytest
import torch

from ecomgpt.__main__ import main
from ecomgpt.common.errors import JobFailure
from ecomgpt.job import plan
from ecomgpt.model.locate import with_shape_from_config
from ecomgpt.model.random_weights import filled_model
from ecomgpt.plan import measure, preflight
from ecomgpt.plan.configuration import configured

SMALL = [
    "data.max_length=64",
    "trainer.row_tokens=64",
    "trainer.batch_tokens=128",
    "trainer.micro_rows=1",
    "trainer.max_steps=7",
]


def planned(capsys: pytest.CaptureFixture[str], tmp_path: Path, *overrides: str) -> str:
    assert main(["job=plan", f"paths.output={tmp_path}", f"paths.cache={tmp_path / 'cache'}", *overrides]) == 0
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []  # A plan leaves no run behind.
    return capsys.readouterr().out


def test_the_default_model_is_measured_and_told_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = planned(capsys, tmp_path, *SMALL)
    for part in (
        "weights",
        "gradients",
        "optimizer states",
        "activations",
        "logits",
        "in all",
        "Disk: ",
        ": fits",
        "zero3_offload",
        "7b1",
    ):
        assert part in out, part
    found = re.search(r"Speed: ([\d,]+) tokens/s, measured over 20 steps of (\d+) tokens", out)
    assert found and int(found[1].replace(",", "")) > 0 and 64 < int(found[2]) <= 128
    assert out.rstrip().split("\n")[-1].startswith("Time: 7 steps of 128 tokens, about ")


def test_another_model_that_fits_is_measured_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def trial(config: object, steps: int) -> measure.Measured:
        asked.append(steps)
        return measure.Measured(1000.0, 10**9, 128)

    monkeypatch.setattr(measure, "measure", trial)
    monkeypatch.setattr(plan, "_free", lambda: 10**12)
    monkeypatch.setattr(preflight, "fits", lambda config, here: True)
    monkeypatch.setattr(plan, "fits", lambda config, here: True)
    line = ["model=bloomz_560m", *SMALL]
    assert "measure=false leaves it out" in planned(capsys, tmp_path, *line) and asked == [measure.STEPS]
    assert "not measured (measure=false). Steps: 7" in planned(capsys, tmp_path, *line, "measure=false")
    monkeypatch.setattr(plan, "_free", lambda: 10**9)
    assert "other programs hold the memory" in planned(capsys, tmp_path, *line)
    assert len(asked) == 1
    planned(capsys, tmp_path, *line, "measure=true")
    assert len(asked) == 2


def test_a_trial_has_the_number_format_of_training_and_no_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers = pytest.importorskip("transformers")
    shape = {
        "vocab_size": 300,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    transformers.LlamaConfig(**shape, dtype="bfloat16").save_pretrained(tmp_path)
    overrides = ["job=plan", "model=hf", f"model.path={tmp_path}", "trainer.max_minutes=0.001"]
    config = configured(overrides)
    model = with_shape_from_config(config.model, config.paths.models)
    assert {weight.dtype for weight in filled_model(model, config.paths.models).parameters()} == {torch.float32}
    given = []
    monkeypatch.setattr(measure, "run_group", lambda config, run, function: given.append(config))
    with pytest.raises(IndexError):  # Nothing was measured.
        measure.measure(config)
    assert given[0].trainer.max_minutes is None


def test_what_does_not_fit_is_not_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def trial(config: object, steps: int) -> measure.Measured:
        raise AssertionError("tried")

    monkeypatch.setattr(measure, "measure", trial)
    monkeypatch.setattr(plan, "fits", lambda config, here: False)
    assert "not measured (it would not fit here)" in planned(capsys, tmp_path, "model=bloomz_7b1", "measure=true")


def test_a_trial_that_fails_spoils_the_plan_only_when_it_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def trial(config: object, steps: int) -> measure.Measured:
        raise JobFailure("training process 0 was killed by SIGKILL")

    monkeypatch.setattr(measure, "measure", trial)
    assert "not measured, the trial failed: training process 0 was killed" in planned(capsys, tmp_path, *SMALL)
    assert main(["job=plan", *SMALL, "measure=true", f"paths.output={tmp_path}", f"paths.cache={tmp_path}"]) == 2
    assert "measure: the trial failed: training process 0 was killed by SIGKILL" in capsys.readouterr().err
