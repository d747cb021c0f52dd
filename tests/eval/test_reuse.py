"""Answers of an untrained model are given once and then reused byte by byte, and only where nothing differs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from ecomgpt.config import files
from ecomgpt.eval.answering import answer_suite
from ecomgpt.eval.answering import collect as collected
from ecomgpt.eval.backends import ModelSpec, Reply
from ecomgpt.eval.backends.transformers import Transformers
from ecomgpt.eval.reuse import Reuse
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.suite import Suite
from ecomgpt.eval.task import EvalTask
from ecomgpt.plan.configuration import configured
from ecomgpt.tasks.prompt import Prompt

ROOTS = files.search_roots([])


class Parrot(Transformers):
    """Answers with the question, and counts."""

    asked = 0

    def answer(self, task: EvalTask, rows: Sequence[EvalRow]) -> Iterator[Reply]:
        for at, row in enumerate(rows):
            self.asked += 1
            yield Reply(at, f"{row.prompt.text} 答案\u2028", 3)


def suite(rows: int = 3, input_: str = "问题") -> Suite:
    task = EvalTask(name="echo", title="Echo", language="zh", family="title_generation", dataset="d")
    return [
        (
            task,
            [
                EvalRow(id=f"r{at}", task="echo", prompt=Prompt("do ", f"{input_} {at}", " now"), target="x")
                for at in range(rows)
            ],
        )
    ]


def parrot(cache: Path, *overrides: str, tokenizer: str = "{}", folder: Path | None = None) -> Parrot:
    config = configured([f"paths.cache={cache}", *overrides], ROOTS)
    held = SimpleNamespace(backend_tokenizer=SimpleNamespace(to_str=lambda: tokenizer))
    return Parrot(ModelSpec(config, folder, tokenizer=lambda: held))


def run(backend: Parrot, folder: Path, questions: Suite) -> bytes:
    """As job=evaluate does it; returns the file of answers."""
    reuse = Reuse.of(backend)
    assert reuse is not None
    reuse.recall(questions, folder)
    answer_suite(questions, [(folder, backend)])
    collected(questions, folder, backend)
    reuse.keep(questions, folder)
    return (folder / "echo.jsonl").read_bytes()


def test_the_second_run_asks_nothing_and_has_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        parrot(tmp_path / "cache"),
        parrot(tmp_path / "cache", "trainer.learning_rate=0.1", "data=no_atomic"),
    )
    written = run(first, tmp_path / "a", suite())
    assert first.asked == 3 and run(second, tmp_path / "b", suite()) == written and second.asked == 0
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["echo.jsonl"]


@pytest.mark.parametrize(
    "changed",
    [
        {"overrides": ["seed=2"]},
        {"overrides": ["model.hidden_size=96"]},
        {"overrides": ["eval.max_prompt_tokens=64"]},
        {"overrides": ["eval.beams=2"]},
        {"tokenizer": "{other}"},
    ],
)
def test_another_model_or_way_of_decoding_is_asked_again(tmp_path: Path, changed: dict) -> None:
    run(parrot(tmp_path / "cache"), tmp_path / "a", suite())
    other = parrot(tmp_path / "cache", *changed.get("overrides", []), tokenizer=changed.get("tokenizer", "{}"))
    run(other, tmp_path / "b", suite())
    assert other.asked == 3


def test_other_questions_are_asked(tmp_path: Path) -> None:
    run(parrot(tmp_path / "cache"), tmp_path / "a", suite())
    for at, questions in enumerate((suite(rows=4), suite(input_="别的"))):
        other = parrot(tmp_path / "cache")
        run(other, tmp_path / f"b{at}", questions)
        assert other.asked == len(questions[0][1])


def test_an_interrupted_evaluation_goes_on_with_its_own_answers(tmp_path: Path) -> None:
    written = run(parrot(tmp_path / "cache"), tmp_path / "a", suite())
    part = tmp_path / "b" / "echo.jsonl.part0"
    part.parent.mkdir()
    part.write_bytes(written.split(b"\n")[0] + b"\n")
    other = parrot(tmp_path / "cache")
    assert run(other, tmp_path / "b", suite()) == written and other.asked == 2


def test_trained_models_and_endpoints_are_not_kept(tmp_path: Path) -> None:
    assert Reuse.of(parrot(tmp_path / "cache", folder=tmp_path)) is None
    assert Reuse.of(SimpleNamespace(name="endpoint", shards=False)) is None


def test_weights_in_a_folder_are_known_by_their_contents(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(b"the same")
    keys = [parrot(tmp_path / "cache", "model=hf", f"model.path={tmp_path / name}") for name in ("one", "two")]
    one, two = (Reuse(backend.spec, backend) for backend in keys)
    assert one.model() == two.model() != ""
    (tmp_path / "two" / "model.safetensors").write_bytes(b"others")
    assert one.model() != two.model()
    lost = parrot(tmp_path / "cache", "model=hf", "model.path=no-owner")
    assert Reuse(lost.spec, lost).model() == ""
