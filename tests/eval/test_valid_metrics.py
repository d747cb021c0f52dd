"""The valid metrics against reference implementations and sums done by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecomgpt.eval.metrics.names import METRIC_NAMES, defaults, metric
from ecomgpt.eval.metrics.rouge import common
from ecomgpt.eval.metrics.tokens import tokens
from ecomgpt.eval.rows import TASK_TYPES, Answer, EvalRow
from ecomgpt.tasks.answers import FORMS
from ecomgpt.tasks.prompt import Prompt

TEXT = st.lists(st.sampled_from(["red", "shoe", "鞋", "红", "42", ".", "Wi-Fi", " "]), max_size=12).map("".join)


def answer(
    target: str, text: str, form: str = "text", candidates: Sequence[str] = (), kind: str = "Generate"
) -> Answer:
    prompt = Prompt("before ", "some 文字 text", " after")
    row = EvalRow(id="r", task="t", prompt=prompt, target=target, candidates=tuple(candidates), form=form, kind=kind)
    return Answer(row, text)


def value(name: str, answers: Sequence[Answer]) -> float:
    one = metric(name, answers[0].row.kind)
    return float(one.compute(one.update(answers).sum(0)))


def labels(pairs: Sequence[tuple[str, str]], candidates: Sequence[str], form: str = "label") -> list[Answer]:
    return [answer(target, text, form, candidates, "CLS") for target, text in pairs]


def test_tokens_follow_the_rule() -> None:
    assert tokens("GORE-TEX 防水鞋, ４２.5cm") == ("gore", "tex", "防", "水", "鞋", "42", "5cm")
    assert tokens("カメラ") == ("カ", "メ", "ラ")
    assert tokens("... !!") == ("...", "!!")
    assert tokens("") == ()


@settings(max_examples=300)
@given(TEXT, TEXT)
def test_rouge_is_that_of_rouge_score_with_our_tokens(one: str, other: str) -> None:
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")

    class Tokenizer:
        def tokenize(self, text: str) -> list[str]:
            return list(tokens(text))

    if not tokens(one) or not tokens(other):
        return
    expected = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=Tokenizer()).score(other, one)
    row = [answer(other, one)]
    assert value("rouge_1", row) == pytest.approx(expected["rouge1"].fmeasure)
    assert value("rouge_l", row) == pytest.approx(expected["rougeL"].fmeasure)
    assert value("rouge_2", row) == pytest.approx(expected["rouge2"].fmeasure)


def test_one_token_has_no_pair_of_tokens() -> None:
    assert value("rouge_2", [answer("shoe", "shoe")]) == 0.0


def test_rouge_l_is_that_of_torchmetrics_with_our_tokens() -> None:
    text = pytest.importorskip("torchmetrics.functional.text")
    given_, gold = ["红色 running 鞋 size 42", "防水手机壳"], ["红 running 鞋子", "透明手机壳 防摔"]
    expected = text.rouge_score(
        given_, gold, rouge_keys=("rouge1", "rougeL"), tokenizer=lambda t: list(tokens(t)), normalizer=lambda t: t
    )
    rows = [answer(target, one) for target, one in zip(gold, given_, strict=True)]
    assert value("rouge_1", rows) == pytest.approx(float(expected["rouge1_fmeasure"]), abs=1e-6)
    assert value("rouge_l", rows) == pytest.approx(float(expected["rougeL_fmeasure"]), abs=1e-6)


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_common_subsequence_is_that_of_the_table(one: list[str], other: list[str]) -> None:
    table = np.zeros((len(one) + 1, len(other) + 1), int)
    for i, left in enumerate(one):
        for j, right in enumerate(other):
            table[i + 1, j + 1] = table[i, j] + 1 if left == right else max(table[i, j + 1], table[i + 1, j])
    assert common(tuple(one), tuple(other)) == table[-1, -1]


@given(st.lists(st.tuples(TEXT.filter(str.strip), TEXT), min_size=1, max_size=4))
def test_chrf_is_that_of_sacrebleu(pairs: list[tuple[str, str]]) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    expected = sacrebleu.CHRF().corpus_score([text for _, text in pairs], [[target for target, _ in pairs]]).score
    assert value("chrf", [answer(*pair) for pair in pairs]) == pytest.approx(expected / 100)


def test_single_labels_by_hand() -> None:
    rows = labels([("a", "A."), ("a", "b"), ("b", "b"), ("c", "it is c")], ["a", "b", "c"])
    assert value("accuracy", rows) == 0.5
    assert value("exact_match", rows) == 0.5
    assert value("micro_f1", rows) == 0.5
    # a: tp 1 fp 0 fn 1; b: tp 1 fp 1 fn 0; c: fn 1
    assert value("macro_f1", rows) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert value("invalid_rate", rows) == 0.25


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1))
def test_macro_f1_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    expected = sklearn_metrics.f1_score([t for t, _ in pairs], [p for _, p in pairs], average="macro")
    assert value("macro_f1", labels(pairs, "abcd")) == pytest.approx(expected)


def test_several_labels_by_hand() -> None:
    rows = labels([("a, b", "b、a"), ("a", "a, c"), ("None", "None"), ("b", "nonsense")], ["a", "b", "c"], "labels")
    assert value("exact_match", rows) == 0.5
    assert value("micro_f1", rows) == pytest.approx(2 * 3 / (5 + 4))
    assert value("macro_f1", rows) == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert value("invalid_rate", rows) == 0.25


def test_terms_by_hand() -> None:
    rows = [answer("red shoe, Acme", "Red shoe., shoe", "spans", (), "Condition_Extract"), answer("x", "", "spans")]
    # Nothing given counts as one wrong term. "shoe" has no gold term left: "red shoe" is paired already.
    assert value("micro_f1", rows) == value("partial_f1", rows) == pytest.approx(2 * 1 / (3 + 3))
    assert value("partial_f1", [answer("red shoe, Acme", "shoe", "spans")]) == pytest.approx(2 * (2 / 3) / (1 + 2))


def test_typed_terms_by_hand() -> None:
    types = ["Brand", "Colour"]
    rows = [answer("Brand: Acme\nColour: red, blue", "Brand: acme, red\nColour: blue", "typed_spans", types, "NER")]
    assert value("micro_f1", rows) == pytest.approx(2 * 2 / (3 + 3))
    assert value("macro_f1", rows) == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert value("partial_f1", rows) == pytest.approx(2 / 3)


SILENT = ("", " ", "…", "no colon here", "Colour")


@pytest.mark.parametrize("text", SILENT)
def test_silence_and_garbage_cost_what_a_wrong_answer_costs(text: str) -> None:
    labels = [answer("a", "a", "label", ["a", "b"]) for _ in range(5)]
    for name in ("accuracy", "micro_f1"):
        silent, wrong = (
            value(name, [*labels, *[answer("a", given, "label", ["a", "b"]) for _ in range(5)]])
            for given in (text, "b")
        )
        assert silent == wrong == 0.5
    types = ["Brand", "Colour"]
    for target in ("Brand: None\nColour: None", "Brand: Acme\nColour: None"):
        right = [answer("Brand: Acme\nColour: red", "Brand: Acme\nColour: red", "typed_spans", types, "NER")]
        silent, wrong = (
            value("micro_f1", [*right, answer(target, given, "typed_spans", types, "NER")])
            for given in (text, "Brand: Zeta")
        )
        assert silent <= wrong < 1
    for name in ("micro_f1", "partial_f1", "exact_match"):
        assert value(name, [answer("None", text, "spans")]) < 1


NOTHING: dict[str, tuple[str, tuple[str, ...], str]] = {
    "label": ("red", ("red", "blue", "pink"), "pink"),
    "labels": ("red, blue", ("red", "blue", "pink"), "pink"),
    "spans": ("red shoe", (), "big hat"),
    "typed_spans": ("A: None\nB: None", ("A", "B"), "A: hat\nB: None"),
    "text": ("red shoe", (), "big hat"),
}
"""By form: target, candidates, a wrong answer."""


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("text", ["", " \n", "...", "no colon", "A:", "A: ;", "C: None", "\u3000"])
def test_silence_and_garbage_never_beat_a_wrong_answer(form: str, text: str) -> None:
    """But for macro F1, in which an answer outside the classes is no class of its own."""
    target, candidates, wrong = NOTHING[form]
    for perfect in range(3):
        right = [answer(target, target, form, candidates)] * perfect
        for name in defaults("Generate", form):
            if name not in ("macro_f1", "invalid_rate") and not name.startswith(("released", "rouge", "chrf")):
                silent = value(name, [*right, answer(target, text, form, candidates)])
                assert silent <= value(name, [*right, answer(target, wrong, form, candidates)]) < 1, name


@settings(max_examples=60)
@given(st.data(), st.sampled_from(sorted(FORMS)))
def test_the_order_of_rows_changes_nothing(data: st.DataObject, form: str) -> None:
    target, candidates, wrong = NOTHING[form]
    texts = [data.draw(st.sampled_from([target, wrong, "", "a\nA: a"])) for _ in range(5)]
    rows = [answer(target, text, form, candidates) for text in texts]
    shuffled = data.draw(st.permutations(rows))
    for name in METRIC_NAMES:
        assert value(name, rows) == pytest.approx(value(name, shuffled)), name


def test_types_without_candidates_are_names_like_others() -> None:
    assert value("micro_f1", [answer("Brand: Acme", "brand: ACME", "typed_spans")]) == 1.0
    rows = [answer("M: x\nm: None", "M: None\nm: x", "typed_spans", ["M", "m"], "NER")]
    assert value("micro_f1", rows) == value("macro_f1", rows) == 0.0


def test_terms_are_paired_one_to_one_for_the_largest_sum() -> None:
    # "a b" to "a b" 1 and "a c" to "a b c" 4/5, rather than 4/5 and 1/2.
    assert value("partial_f1", [answer("a b c, a b", "a b, a c", "spans")]) == pytest.approx(2 * (1 + 4 / 5) / (2 + 2))


def test_a_line_without_a_colon_costs() -> None:
    types = ["Brand", "Colour"]
    plain, more = (
        value("micro_f1", [answer("Brand: Acme\nColour: None", given, "typed_spans", types, "NER")])
        for given in ("Brand: Acme", "Brand: Acme\nand it is red")
    )
    assert plain == 1.0 and more == pytest.approx(2 / 3)


def test_a_closed_set_is_compared_as_chosen() -> None:
    """``M`` and ``m`` are two candidates."""
    assert value("accuracy", [answer("M", "m", "label", ["M", "m"])] * 6) == 0.0
    assert value("accuracy", [answer("M", "M", "label", ["M", "m"])]) == 1.0
    assert value("micro_f1", [answer("M, m", "m", "labels", ["M", "m"])]) == pytest.approx(2 / 3)
    assert value("accuracy", [answer("Large", "large.", "label", ["Large", "Small"])]) == 1.0


def test_two_labels_written_like_a_third_one_are_read_as_meant() -> None:
    names = ("Food", "Drinks", "Food, Drinks")
    row = EvalRow(
        id="1",
        task="t",
        prompt=Prompt("", "x", ""),
        target="Food, Drinks",
        candidates=names,
        form="labels",
        kind="CLS",
        gold=("Food", "Drinks"),
    )
    assert Answer(row, "Food, Drinks").given == Answer(row, "Drinks; Food").given == Answer(row, "").gold


def test_a_full_stop_is_not_answered_by_silence() -> None:
    assert value("exact_match", [answer(".", "")]) == 0.0 and value("exact_match", [answer(".", ".")]) == 1.0


def test_a_full_width_comma_between_digits_splits_nothing() -> None:
    assert value("micro_f1", [answer("1，000", "1，000", "spans")]) == 1.0
    assert len(answer("1，000", "1，000", "spans").given) == 1


def test_token_f1_by_hand() -> None:
    assert value("token_f1", [answer("the red 红鞋", "red 鞋 鞋")]) == pytest.approx(2 * 2 / (4 + 3))


def test_nothing_asked_and_nothing_given_is_perfect() -> None:
    rows = [answer("None", "None", "spans", (), "Condition_Extract")]
    assert value("micro_f1", rows) == value("partial_f1", rows) == value("exact_match", rows) == 1.0
    assert value("exact_match", [answer("None", "", "spans", (), "Condition_Extract")]) == 0.0


HOSTILE = st.one_of(
    st.text(),
    st.binary().map(lambda raw: raw.decode("latin-1")),
    st.sampled_from(
        ["", "," * 10_000, ". " * 5000, "a " * 5000, "红" * 5000, "A: " * 3000, "\0", "\ud800", "None", "A: a\n" * 2000]
    ),
)


@settings(max_examples=60)
@given(st.lists(HOSTILE, min_size=1, max_size=3), st.sampled_from(sorted(FORMS)), st.sampled_from(sorted(TASK_TYPES)))
def test_scorers_survive_anything(texts: list[str], form: str, kind: str) -> None:
    target = {"label": "A", "labels": "A, B", "typed_spans": "A: text\nB: None", "spans": "some, text"}.get(
        form, "some text"
    )
    rows = [answer(target, text, form, ("A", "B", "C: d, e") if form != "text" else (), kind) for text in texts]
    for name in METRIC_NAMES:
        assert 0.0 <= value(name, rows) <= 1.0 + 1e-9, name


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_name_has_a_metric(form: str) -> None:
    for kind in TASK_TYPES:
        assert set(defaults(kind, form)) <= set(METRIC_NAMES)
        assert all(metric(name, kind) for name in defaults(kind, form))


ENDLESS = [
    "x" * 200_000,
    "红" * 20_000,
    "," * 20_000,
    "A: a, b\n" * 5_000,
    "a, " * 20_000,
    ". " * 10_000,
    "\ud800" * 10_000,
]


@pytest.mark.parametrize(
    ("form", "kind"), list(zip(("text", "label", "labels", "spans", "typed_spans"), sorted(TASK_TYPES), strict=True))
)
def test_endless_answers_are_scored(form: str, kind: str) -> None:
    """In linear time: with any other this would take minutes."""
    target = {"typed_spans": "A: some 文字\nB: text", "label": "A"}.get(form, "some 文字, text")
    rows = [answer(target, text, form, ("A", "B") if form != "text" else (), kind) for text in ENDLESS]
    for name in METRIC_NAMES:
        assert 0.0 <= value(name, rows) <= 1.0, name
