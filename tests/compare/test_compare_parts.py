"""Pairs, verdicts, agreement and the judge, each by itself."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from two_runs import make, questions, row, two_runs

from ecomgpt.chat.messages import ChatReply, Request
from ecomgpt.common.errors import UserError
from ecomgpt.compare import agreement as agreeing
from ecomgpt.compare import judge as judging
from ecomgpt.compare.agreement import agreement, kappa
from ecomgpt.compare.pairs import Pair, find
from ecomgpt.compare.results import majority, tallies
from ecomgpt.compare.verdicts import Verdicts, clean_name
from ecomgpt.config.schema import ChatConfig, CompareConfig
from ecomgpt.eval.rows import Answer
from ecomgpt.runtime.directory import Run


def pairs_of(folder: Path, rows: int = 6, **settings: object) -> list[Pair]:
    good, bad = (Run(path) for path in two_runs(folder, rows))
    return find(good, bad, CompareConfig(**{"limit": None, **settings}), 1).pairs


def test_a_smaller_sample_is_in_a_larger_one_and_the_order_is_the_seeds(tmp_path: Path) -> None:
    good, bad = (Run(path) for path in two_runs(tmp_path, 30))
    small, large = (find(good, bad, CompareConfig(limit=limit), 1).pairs for limit in (5, 10))
    assert Counter(pair.task for pair in small) == {"intent": 5, "titles": 5}
    keys = [pair.key for pair in large]
    assert [key for key in keys if key in {pair.key for pair in small}] == [pair.key for pair in small]
    assert keys != sorted(keys) and {pair.key for pair in find(good, bad, CompareConfig(limit=10), 2).pairs} != set(
        keys
    )


def test_who_stands_first_is_a_fair_coin_that_differs_between_annotators(tmp_path: Path) -> None:
    pairs = pairs_of(tmp_path, 200)
    for seed, name in ((1, "Ann"), (1, "Bo"), (2, "Ann")):
        assert 160 < sum(pair.first(seed, name) == "a" for pair in pairs) < 240
    same = sum(pair.first(1, "Ann") == pair.first(1, "Bo") for pair in pairs)
    assert 160 < same < 240
    assert all(pair.first(1, "Ann") == pair.first(1, "ann") for pair in pairs)


def test_rows_of_one_run_alone_are_counted_and_other_questions_refused(tmp_path: Path) -> None:
    asked = questions(4)["intent"]
    a = make(tmp_path / "a", {"intent": [Answer(one, "x") for one in asked]})
    b = make(tmp_path / "b", {"intent": [Answer(one, "y") for one in asked[:3]]})
    found = find(Run(a), Run(b), CompareConfig(), 1)
    assert len(found.pairs) == 3 and "1 rows that only one" in found.notes[0]
    other = [row("intent", 0, "Another question?", "x"), *asked[1:]]
    c = make(tmp_path / "c", {"intent": [Answer(one, "y") for one in other]})
    with pytest.raises(
        UserError,
        match=r"1 of 4 rows ask different questions in '.*a' and '.*c' under the same id, the first is intent-000",
    ):
        find(Run(a), Run(c), CompareConfig(), 1)
    d = make(tmp_path / "d", {"other": [Answer(row("other", 0, "?", "x"), "y")]})
    with pytest.raises(UserError, match="no task in common"):
        find(Run(a), Run(d), CompareConfig(), 1)
    with pytest.raises(UserError, match="did you mean 'intent'"):
        find(Run(a), Run(b), CompareConfig(tasks=["intnt"]), 1)


def test_verdicts_survive_a_torn_line_and_the_last_one_counts(tmp_path: Path) -> None:
    pairs = [pair for pair in pairs_of(tmp_path) if not pair.same]
    path = tmp_path / "verdicts.jsonl"
    with Verdicts(path, pairs) as verdicts:
        for verdict in ("win", "loss"):
            verdicts.add("Ann", pairs[0], "a", verdict)
        verdicts.add("Ann", pairs[1], "b", "tie")
        verdicts.add("ann", pairs[2], "b", "win")
        verdicts.undo("ANN")
        verdicts.add("Bo", pairs[0], "b", "tie")
        with pytest.raises(UserError, match="another process"):
            Verdicts(path, pairs)
    path.write_bytes(path.read_bytes() + b'{"annotator": "Ann", "row": "in')
    with Verdicts(path, pairs) as verdicts:
        assert verdicts.of("Ann") == {pairs[0].key: "loss", pairs[1].key: "tie"} and verdicts.annotators == [
            "Ann",
            "Bo",
        ]
        assert "line 7" in verdicts.notes[0]
        verdicts.add("Bo", pairs[1], "a", "loss")  # The torn line must not swallow it.
        verdicts.undo("Bo")
        verdicts.undo("Bo")
        verdicts.undo("Bo")
    with Verdicts(path, pairs) as verdicts:
        assert verdicts.of("Bo") == {} and verdicts.annotators == ["Ann"]
    lines = path.read_text().split("\n")
    assert len(lines) == 11 and json.loads(lines[0])["verdict"] == "win"  # Nothing was ever taken out.


def test_verdicts_on_other_answers_are_kept_and_not_counted(tmp_path: Path) -> None:
    pairs = pairs_of(tmp_path)
    path = tmp_path / "verdicts.jsonl"
    with Verdicts(path, pairs) as verdicts:
        verdicts.add("Ann", pairs[0], "a", "win")
        verdicts.add("Ann", pairs[1], "a", "win")
    changed = Pair(pairs[0].a, Answer(pairs[0].b.row, "something else"), pairs[0].title)
    with Verdicts(path, [changed, *pairs[2:]]) as verdicts:
        assert verdicts.of("Ann") == {}
        assert (
            "1 verdicts are on answers that have changed" in verdicts.notes[0]
            and "outside compare.tasks" in verdicts.notes[1]
        )


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        (" Anna  Müller ", "Anna Müller"),
        ("王 小明", "王 小明"),
        ("", None),
        ("a\x00b", None),
        ("a\u202eb", None),
        ("x" * 61, None),
        ("\ud800", None),
    ],
)
def test_names_are_one_visible_line(name: str, clean: str | None) -> None:
    assert clean_name(name) == clean


def test_fleiss_kappa_is_that_of_the_published_example() -> None:
    """Fourteen raters, ten subjects, five categories: 0.210 (the example table of Fleiss' kappa in textbooks)."""
    counts = np.array(
        [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ]
    )
    agreed = ((counts**2).sum(1) - 14) / (14 * 13)
    columns = np.column_stack([np.ones(10), agreed, counts])
    observed, value = agreeing.fleiss(columns.sum(0)[None])
    assert observed[0] == pytest.approx(0.378, abs=5e-4) and value[0] == pytest.approx(0.210, abs=5e-4)


def test_cohen_and_fleiss_against_reference_implementations() -> None:
    from sklearn.metrics import cohen_kappa_score

    chance = np.random.default_rng(1)
    rows = [f"r{number}" for number in range(60)]
    truth = chance.integers(0, 3, 60)
    given = {}
    for name in ("Ann", "Bo", "Cy"):
        votes = np.where(chance.random(60) < 0.7, truth, chance.integers(0, 3, 60))
        given[name] = dict(zip(rows, np.array(["win", "tie", "loss"])[votes], strict=True))
    found = {one.between: one for one in agreement(given)}
    assert list(found) == [("Ann", "Bo", "Cy"), ("Ann", "Bo"), ("Ann", "Cy"), ("Bo", "Cy")]
    for first, second in (("Ann", "Bo"), ("Bo", "Cy")):
        want = cohen_kappa_score(list(given[first].values()), list(given[second].values()))
        one = found[first, second]
        assert one.value == pytest.approx(want) and one.low < one.value < one.high and one.method == "Cohen"
    assert found["Ann", "Bo", "Cy"].method == "Fleiss" and 0.2 < found["Ann", "Bo", "Cy"].value < 0.8


def test_kappa_where_it_has_no_value() -> None:
    assert kappa(("a", "b"), ({"1": "win"}, {"2": "win"})).n == 0
    same = kappa(("a", "b"), ({"1": "tie", "2": "tie"}, {"1": "tie", "2": "tie"}))
    assert same.observed == 1 and math.isnan(same.value)
    assert kappa(("a", "b"), ({"1": "tie", "2": "win"}, {"1": "tie", "2": "win"})).value == 1
    assert kappa(("a", "b"), ({"1": "tie", "2": "win"}, {"1": "win", "2": "tie"})).value == -1


def test_a_majority_counts_and_a_split_is_a_tie() -> None:
    assert majority(["win", "win", "loss"]) == ("win", False)
    assert majority(["win", "loss"]) == ("tie", True) and majority(["win", "tie", "loss"]) == ("tie", True)


def test_equal_answers_count_only_as_far_as_people_have_come(tmp_path: Path) -> None:
    pairs = pairs_of(tmp_path, 12)
    asked = [pair for pair in pairs if not pair.same]
    assert tallies(pairs, {}).whole is None
    some = tallies(pairs, {"Ann": {asked[0].key: "win"}}).whole
    assert some is not None and some.win == 1 and some.n == pairs.index(asked[0]) + 1
    every = tallies(pairs, {"Ann": {pair.key: "win" for pair in asked}})
    whole = every.whole
    assert whole is not None and (whole.n, whole.same, whole.win, whole.tie) == (24, 8, 16, 8)
    assert whole.surplus == pytest.approx(16 / 24) and whole.low < whole.surplus < whole.high
    assert {task: (one.win, one.tie, one.loss) for task, one in every.tasks.items()} == {
        "intent": (8, 4, 0),
        "titles": (8, 4, 0),
    }
    alike = tallies(asked, {"Ann": {pair.key: "win" for pair in asked}}).whole
    assert alike is not None and alike.surplus == alike.high == 1 and 0.7 < alike.low < 0.85
    assert alike.p == pytest.approx(2 / 2**16)


class Scripted:
    """A chat that answers by a function; what `judge` needs of one."""

    def __init__(self, say: Callable[[str], ChatReply]) -> None:
        from ecomgpt.chat.ledger import Ledger

        self.say, self.ledger = say, Ledger(ChatConfig(name="x", model="x"))

    def ask(self, requests: list[Request]) -> Iterator[tuple[int, ChatReply]]:
        for index, request in reversed(list(enumerate(requests))):
            yield index, self.say(request.messages[1][1])


def verdict(word: str) -> ChatReply:
    return ChatReply(json.dumps({"reason": "so", "verdict": word}))


def test_a_judge_that_likes_the_first_place_decides_nothing_and_is_found_out(tmp_path: Path) -> None:
    pairs = [pair for pair in pairs_of(tmp_path) if not pair.same]
    requests = judging.questions(judging.load_wording(None), pairs, False, 8000)
    judged, rejected = judging.judge(Scripted(lambda text: verdict("first")), requests, pairs)
    assert not rejected and {one.verdict for one in judged} == {"tie"}
    bias = judging.bias(judged)
    assert bias == judging.Bias(len(pairs), 0.0, len(pairs), 0, 1.0)


def test_a_fair_judge_finds_the_better_run_in_both_orders(tmp_path: Path) -> None:
    pairs = [pair for pair in pairs_of(tmp_path) if not pair.same]
    requests = judging.questions(judging.load_wording(None), pairs, True, 8000)
    assert all("right_answer" in request.messages[1][1] for request in requests)

    def fair(text: str) -> ChatReply:
        return verdict("second" if "wrong" in text.split("<second>")[0] else "first")

    judged, _ = judging.judge(Scripted(fair), requests, pairs)
    assert [one.pair for one in judged] == pairs and {one.verdict for one in judged} == {"win"}
    assert judging.bias(judged) == judging.Bias(len(pairs), 1.0, 0, 0, 0.5)
    judged, rejected = judging.judge(Scripted(lambda text: ChatReply("I like both")), requests, pairs)
    assert not judged and rejected == {"no JSON": 2 * len(pairs)} and judging.bias(judged) is None


def test_texts_with_slots_are_asked_as_they_are_and_long_ones_cut() -> None:
    one = row("t", 0, "{first} {nothing}", "x")
    pair = Pair(Answer(one, "{second}"), Answer(one, "b" * 9000), "t")
    text = judging.load_wording(None).request(pair, "ab", False, 1000).messages[1][1]
    assert "{first} {nothing}" in text and "<first>\n{second}\n</first>" in text and "8,000 characters left out" in text


def test_a_broken_wording_of_the_users_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "compare").mkdir()
    file = tmp_path / "compare" / "judge.yaml"
    file.write_text(
        "name: judge\ninstruction: {en: Judge.}\n"
        "question: {en: '{first} {secnd}', zh: '{question}{first}{second}{reference}'}\n"
        "reference: {en: '{target}', zh: '{target}'}\n"
    )
    with pytest.raises(UserError) as error:
        judging.load_wording(str(tmp_path))
    assert "'instruction.zh' is missing" in str(
        error.value
    ) and f"{file}: 'question.en' needs the slots question, first, second, reference" in str(error.value)
