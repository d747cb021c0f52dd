"""Intervals, averages, comparisons, baselines and error analysis."""

import json
import math
import random
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from ecomgpt.common.errors import UserError
from ecomgpt.eval.analysis import INVALID, analyse
from ecomgpt.eval.baselines import BASELINES, baselines, best_constant
from ecomgpt.eval.metrics_file import Change
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.eval.score import score
from ecomgpt.eval.statistics.averages import averages
from ecomgpt.eval.statistics.paired import aligned, compare, holm, paired
from ecomgpt.eval.task import EvalTask
from ecomgpt.eval.trained import Trained
from ecomgpt.tasks.prompt import Prompt


def task(name: str, language: str = "en", family: str = "review_topic", dataset: str = "d") -> EvalTask:
    return EvalTask(name=name, title=name, language=language, family=family, dataset=dataset, folder="x")


def rows(count: int = 40, name: str = "t") -> list[EvalRow]:
    return [
        EvalRow(
            id=f"{name}/{at}",
            task=name,
            prompt=Prompt("", f"text {at} 红色 shoe", ""),
            target="ab"[at % 3 == 0],
            candidates=("a", "b"),
            form="label",
            kind="CLS",
        )
        for at in range(count)
    ]


def answers(right: float, count: int = 40, name: str = "t", seed: int = 0) -> list[Answer]:
    chance = random.Random(seed)
    return [Answer(row, row.target if chance.random() < right else "c") for row in rows(count, name)]


def test_scores_are_json_and_the_same_each_time() -> None:
    first = score(task("t"), answers(0.6))
    written = {name: one.as_json() for name, one in first.metrics.items()}
    assert first.metrics == score(task("t"), answers(0.6)).metrics
    assert written == json.loads(json.dumps(written)) and first.n == 40 and first.primary == "accuracy"
    for name, one in first.metrics.items():
        assert one.low <= one.value <= one.high, name
    with pytest.raises(ValueError, match="no answers"):
        score(task("t"), [])


def test_averages_by_hand() -> None:
    tasks = [
        task("x", "en", "review_topic", "d1"),
        task("y", "zh", "review_topic", "d2"),
        task("z", "zh", "query_generation"),
    ]
    scores = {
        one.name: score(one, answers(right, 40, one.name)) for one, right in zip(tasks, (0.2, 0.5, 0.9), strict=True)
    }
    trained = Trained(families=frozenset({"review_topic"}), datasets=frozenset({"d2"}))
    found = averages(tasks, scores, trained)
    assert {name: group["tasks"] for name, group in found.items()} == {
        "all": ["x", "y", "z"],
        "cross_dataset": ["x"],
        "in_domain": ["y"],
        "cross_task": ["z"],
        "language/en": ["x"],
        "language/zh": ["y", "z"],
        "family/review_topic": ["x", "y"],
        "family/query_generation": ["z"],
    }
    values = [scores[name].values["accuracy"] for name in "xyz"]
    accuracy = found["all"]["metrics"]["accuracy"]
    assert accuracy["value"] == pytest.approx(np.mean(values), abs=1e-6)
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]
    alone = vars(scores["y"].metrics["accuracy"])
    assert accuracy["high"] - accuracy["low"] < alone["high"] - alone["low"]
    assert "cross_task" not in averages(tasks, scores)


def test_paired_comparison() -> None:
    same = paired(answers(0.5), answers(0.5), "accuracy").change
    assert (same.value, same.p) == (0.0, 1.0) and same.low < 0 < same.high
    better = paired(answers(0.3, 200), answers(0.9, 200, seed=1), "accuracy")
    assert better.change.p < 1e-9 and better.change.low > 0.4
    assert better.change.value == pytest.approx(better.second - better.first)
    worse = paired(answers(0.9, 200, seed=1), answers(0.3, 200), "accuracy").change
    assert (worse.value, worse.low) == pytest.approx((-better.change.value, -better.change.high))
    with pytest.raises(UserError, match="different rows"):
        paired(answers(0.5, 10), answers(0.5, 11), "accuracy")


def test_answers_to_other_questions_are_not_paired() -> None:
    """More candidates are another question, though rows and targets are the same."""
    first = answers(0.5, 10)
    second = [replace(one, row=replace(one.row, prompt=Prompt("", one.row.prompt.input, " a, b, c?"))) for one in first]
    assert aligned({"one": first, "other": first})["other"] == first
    with pytest.raises(UserError, match="t/0: the runs were asked differently"):
        paired(first, second, "accuracy")


def test_holm_by_hand() -> None:
    ps = {"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.9, "untested": math.nan}
    found = holm({name: Change(0.0, p=p) for name, p in ps.items()})
    corrected = {name: one.p_holm for name, one in found.items() if name != "untested"}
    assert corrected == pytest.approx({"b": 0.04, "c": 0.09, "a": 0.09, "d": 0.9})
    assert math.isnan(found["untested"].p_holm)
    compared = compare({"t": answers(0.2)}, {"t": answers(0.8), "other": answers(0.1)})
    assert list(compared) == ["t"] and compared["t"].metric == "accuracy"


def test_baselines_answer_every_form() -> None:
    forms = {
        "label": ("a", ("a", "b")),
        "labels": ("a, b", ("a", "b", "c")),
        "spans": ("红色, shoe", ()),
        "typed_spans": ("a: 红色\nb: None", ("a", "b")),
        "text": ("some text", ()),
    }
    for form, (target, candidates) in forms.items():
        questions = [
            EvalRow(
                id=f"{form}/{at}",
                task=form,
                prompt=Prompt("", f"text {at} 红色 shoe", ""),
                target=target,
                candidates=candidates,
                form=form,
            )
            for at in range(6)
        ]
        declared = task(form)
        found = baselines(declared, questions, seed=1)
        assert tuple(found) == BASELINES and found == baselines(declared, questions, seed=1)
        assert best_constant(declared, questions) == target
        assert found["constant"][declared.metric_names(questions[0].kind, form)[0]] == 1.0
        assert all(0 <= value <= 1 for values in found.values() for value in values.values())
        if form != "text":
            assert found["random"]["invalid_rate"] == 0


def test_the_best_constant_is_not_always_the_most_frequent_target() -> None:
    """Three of eight rows say ``a``; ``b`` alone or with ``c`` is in five."""
    targets = ["a"] * 3 + ["b, c"] * 2 + ["b, d"] * 2 + ["b"]
    questions = [
        replace(row, target=target, candidates=tuple("abcd"), form="labels", gold=())
        for row, target in zip(rows(8), targets, strict=True)
    ]
    assert best_constant(task("t"), questions) in ("b, c", "b, d", "b, a")


@pytest.mark.parametrize("targets", [["c", "c", "a, b", "a, d", "b, d", "a, b, d"], ["a", "a, b", "c", "b, c"]])
def test_no_set_of_labels_beats_the_best_constant(targets: list[str]) -> None:
    questions = [
        replace(row, target=target, candidates=tuple("abcd"), form="labels", gold=())
        for row, target in zip(rows(len(targets)), targets, strict=True)
    ]

    def micro_f1(text: str) -> float:
        return score(task("t"), [Answer(row, text) for row in questions]).values["micro_f1"]

    sets = [", ".join(some) for size in range(1, 5) for some in combinations("abcd", size)]
    assert micro_f1(best_constant(task("t"), questions)) == max(map(micro_f1, sets))


def test_a_random_answer_is_expected_and_not_drawn_once() -> None:
    found = baselines(task("t"), rows(20), seed=3)["random"]
    assert found["accuracy"] == found["micro_f1"] == 0.5
    assert found["macro_f1"] == pytest.approx(0.49, abs=0.03)


def test_analysis_shows_where_answers_go_wrong() -> None:
    questions = rows(6)
    texts = ["a", "a", "b", "B.", "nonsense", "a"]
    found = analyse(
        [Answer(row, text, cut=at) for at, (row, text) in enumerate(zip(questions, texts, strict=True))], most=3
    )
    assert found["confusion"] == {"labels": ["a", "b", INVALID], "counts": [[2, 1, 1], [1, 1, 0]]}
    assert [one["id"] for one in found["worst"]] == ["t/0", "t/2", "t/4"]
    assert [one["prediction"] for one in found["invalid"]] == ["nonsense"] and found["invalid_count"] == 1
    assert {one["count"] for one in found["wrong"]} == {1} and len(found["wrong"]) == 3
    assert (found["cut_rows"], found["cut_tokens"]) == (5, 15)
    assert json.loads(json.dumps(found)) == found
