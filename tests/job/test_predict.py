"""job=predict: everybody's question gets its own answer, from this model and these settings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import bloom

from ecomgpt.__main__ import main
from ecomgpt.eval.decoding import generate
from ecomgpt.model.tokenizer import train, wrap
from ecomgpt.plan.configuration import configured
from ecomgpt.runtime.directory import Run, save

LINES: list[dict[str, Any]] = [
    {"instruction": "Which category?", "input": "a kettle"},
    {"instruction": "Which category?", "input": "a red dress"},
    {"id": 1, "instruction": "Is this praise?", "input": "It broke after a day."},
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a trained model of random weights, and questions beside it."""
    monkeypatch.chdir(tmp_path)
    made = Run(tmp_path / "outputs" / "made")
    made.path.mkdir(parents=True)
    save(configured(["name=made"]), made)
    made.update(state="done")
    tokenizer = wrap(train([json.dumps(line) for line in LINES], 400))
    bloom(len(tokenizer), initializer_range=0.7).save_pretrained(made.model)
    tokenizer.save_pretrained(made.model)
    Path("questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return made.path


def answers(run: Path, *overrides: str) -> list[dict]:
    assert main(["job=predict", f"run={run}", "input=questions.jsonl", *overrides]) == 0
    return [json.loads(line) for line in (run / "predict/questions.jsonl").read_text("utf-8").splitlines()]


def test_an_id_that_is_another_lines_number_takes_no_answer_away(run: Path) -> None:
    found = answers(run, "eval.max_new_tokens=8")
    assert [row["id"] for row in found] == ["1", "2", "1"]
    assert [row["record"] for row in found] == [f"questions.jsonl:{line}" for line in (1, 2, 3)]
    assert all(line["input"] in row["prompt"] for line, row in zip(LINES, found, strict=True))
    Path("questions.jsonl").write_text(json.dumps(LINES[0]) + "\n")
    assert answers(run, "eval.max_new_tokens=8")[0]["prediction"] == found[0]["prediction"] != found[2]["prediction"]


@pytest.mark.parametrize("changed", ["eval.max_new_tokens=12", "eval.beams=2", "model"])
def test_an_interrupted_job_goes_on_only_with_the_same_model_and_settings(
    run: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    written = generate.stream

    def interrupted(*given: Any, **more: Any) -> Iterator[tuple[int, list[int]]]:
        for number, one in enumerate(written(*given, **more)):
            if number == 2:
                raise KeyboardInterrupt
            yield one

    monkeypatch.setattr(generate, "stream", interrupted)
    assert main(["job=predict", f"run={run}", "input=questions.jsonl", "eval.max_new_tokens=4"]) == 1
    assert (run / "predict/questions.jsonl.part0").read_bytes().count(b"\n") == 2
    monkeypatch.setattr(generate, "stream", written)
    if changed == "model":
        bloom(
            len(json.loads((run / "model/tokenizer.json").read_text())["model"]["vocab"]), seed=1, initializer_range=0.7
        ).save_pretrained(run / "model")
    own = ["eval.max_new_tokens=4"] if changed == "model" else [changed]
    continued = answers(run, *own)
    assert continued == answers(run, *own) and not (run / "predict/questions.jsonl.part0").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[" * 200_000, "nested too deeply"),
        ('{"instruction": "x", "input": "\\ud83d"}', "half of a character"),
        ('{"instruction": "x", "id": ' + "9" * 5000 + "}", "limit"),
        ('{"instruction": NaN}', "are texts"),
        ('{"instruction": "x', "broken JSON"),
        ("7", "is no object"),
    ],
)
def test_broken_questions_are_named(run: Path, line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("questions.jsonl").write_text(json.dumps(LINES[0]) + "\n" + line + "\n")
    assert main(["job=predict", f"run={run}", "input=questions.jsonl"]) == 2
    message = capsys.readouterr().err
    assert "questions.jsonl:2: " in message and said in message
