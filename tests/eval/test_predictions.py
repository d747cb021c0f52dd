"""Predictions on disk: written as they come, continued, in row order, read back."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ecomgpt.common.errors import UserError
from ecomgpt.eval.predictions import answer_missing, damage, finish, predict, read_answers
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.score import score
from ecomgpt.eval.task import EvalTask
from ecomgpt.tasks.prompt import Prompt

ROWS = [
    EvalRow(
        id=f"t/{at}",
        task="t",
        prompt=Prompt("before 文 ", f"input {at}", " after"),
        target="b" if at % 2 else "a",
        candidates=("a", "b"),
        form="label",
        kind="CLS",
    )
    for at in range(9)
]
TASK = EvalTask(name="t", title="t", language="en", family="review_topic", dataset="d", folder="x")


class Backend:
    """Answers from the last row to the first; stops after ``most`` rows as a killed process would."""

    def __init__(self, most: int = 99) -> None:
        self.most = most
        self.asked: list[str] = []

    def __call__(self, rows: Sequence[EvalRow]) -> Iterator[tuple[int, str, int]]:
        for at in reversed(range(len(rows))):
            if len(self.asked) == self.most:
                raise KeyboardInterrupt
            self.asked.append(rows[at].id)
            yield at, f"A.\u2028{rows[at].id}" if at == 1 else "a", at


def test_a_line_holds_what_the_docs_say(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "t.jsonl"
    answers = predict(path, ROWS, Backend())
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    assert [line["id"] for line in lines] == [row.id for row in ROWS]
    assert lines[0] | {"id": "t/0", "prompt": "before 文 input 0 after", "target": "a", "prediction": "a"} == lines[0]
    assert (lines[0]["parsed"], lines[0]["valid"], lines[0]["candidates"]) == (["a"], True, ["a", "b"])
    assert lines[1]["prediction"] == "A.\u2028t/1" and lines[1]["valid"] is False
    read = read_answers(path)
    assert [(one.row, one.text, one.cut) for one in read] == [(one.row, one.text, one.cut) for one in answers]
    assert score(TASK, read).metrics == score(TASK, answers).metrics


@pytest.mark.parametrize("torn", [b"", b'{"id": "t/0", "prom', "文".encode()[:2]])
def test_an_interrupted_evaluation_continues(tmp_path: Path, torn: bytes) -> None:
    whole, path = tmp_path / "whole.jsonl", tmp_path / "t.jsonl"
    predict(whole, ROWS, Backend())
    with pytest.raises(KeyboardInterrupt):
        predict(path, ROWS, Backend(most=4))
    part = tmp_path / "t.jsonl.part0"
    assert not path.exists() and len(part.read_bytes().split(b"\n")) == 5
    part.write_bytes(part.read_bytes() + torn)
    second = Backend(most=2)
    with pytest.raises(KeyboardInterrupt):
        predict(path, ROWS, second)
    last = Backend()
    predict(path, ROWS, last)
    assert len(last.asked) == 3 and not part.exists()
    again = Backend()
    predict(path, ROWS, again)
    assert not again.asked
    assert [line["id"] for line in map(json.loads, path.read_bytes().split(b"\n")[:-1])] == [row.id for row in ROWS]


def test_changed_questions_are_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    predict(path, ROWS, Backend())
    changed = [*ROWS[:-1], EvalRow(id="t/8", task="t", prompt=Prompt("", "new", ""), target="a")]
    backend = Backend()
    predict(path, changed, backend)
    assert backend.asked == ["t/8"]


def test_processes_share_the_rows_without_doubles(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    backends = [Backend(), Backend()]
    for rank, backend in enumerate(backends):
        assert len(list(answer_missing(path, ROWS, backend, rank, 2))) == (5, 4)[rank]
    assert sorted(backends[0].asked + backends[1].asked) == sorted(row.id for row in ROWS)
    assert len(finish(path, ROWS)) == len(ROWS) and list(tmp_path.iterdir()) == [path]


def test_a_backend_that_leaves_rows_out_is_found(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="9 rows have no answer"):
        predict(tmp_path / "t.jsonl", ROWS, lambda rows: iter(()))


def test_half_a_surrogate_pair_can_be_stored(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    predict(path, ROWS[:1], lambda rows: iter([(0, "\ud83d", 0)]))
    assert read_answers(path)[0].text == "\ud83d"


def test_broken_predictions_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    predict(path, ROWS, Backend())
    number = json.dumps(json.loads(path.read_bytes().split(b"\n")[0]) | {"prediction": 5}).encode()
    path.write_bytes(path.read_bytes() + b"\n".join([b'{"id": 1}', b"not json", b"[" * 100_000, number]))
    with pytest.raises(UserError) as error:
        read_answers(path)
    assert all(f"{path}:{line}: " in str(error.value) for line in (10, 11, 12, 13)) and "'prediction' is int" in str(
        error.value
    )
    assert [answer.text for answer in predict(path, ROWS, Backend())] == [
        answer.text for answer in predict(tmp_path / "new.jsonl", ROWS, Backend())
    ]
    with pytest.raises(UserError, match="cannot be read"):
        read_answers(tmp_path / "absent.jsonl")


def test_two_questions_under_one_id_keep_their_own_answers(tmp_path: Path) -> None:
    rows = [EvalRow(id="2", task="t", prompt=Prompt("", text, ""), target="") for text in ("tea", "cup")]

    def echo(asked: Sequence[EvalRow]) -> Iterator[tuple[int, str, int]]:
        yield from ((at, row.prompt.input, 0) for at, row in enumerate(asked))

    answers = predict(tmp_path / "t.jsonl", rows, echo)
    assert [one.text for one in answers] == ["tea", "cup"]
    assert [one.text for one in read_answers(tmp_path / "t.jsonl")] == ["tea", "cup"]


def test_answers_of_another_model_or_setting_are_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with pytest.raises(KeyboardInterrupt):
        predict(path, ROWS, Backend(most=4), "short answers")
    list(answer_missing(path, ROWS, Backend(), 1, 2, "short answers"))
    again = Backend()
    predict(path, ROWS, again, "long answers")
    assert sorted(again.asked) == sorted(row.id for row in ROWS)
    same = Backend()
    predict(path, ROWS, same, "long answers")
    predict(path, ROWS, same)  # Who does not say what answers takes what is there, and leaves it said.
    predict(path, ROWS, same, "long answers")
    assert not same.asked


def test_an_answer_that_was_changed_on_disk_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    predict(path, ROWS, Backend(), "model")
    lines = path.read_bytes().split(b"\n")
    lines[3] = lines[3].replace(b'"prediction": "a"', b'"prediction": "b"')
    path.write_bytes(b"\n".join(lines))
    assert damage(path) == ([], 1)
    backend = Backend()
    assert predict(path, ROWS, backend, "model")[3].text == "a" and backend.asked == ["t/3"]
