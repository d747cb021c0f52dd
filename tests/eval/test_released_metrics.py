"""The released scoring against the packages that the released script calls, and against sums done by hand."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecomgpt.eval.metrics.names import metric
from ecomgpt.eval.metrics.released import cleaned
from ecomgpt.eval.metrics.released_ner import entities, tag, terms_by_type
from ecomgpt.eval.metrics.released_rouge import rouge_l
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.tasks.prompt import Prompt

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d.", ".", " ", "红", "e. f"]), max_size=14).map(" ".join)


def answer(kind: str, form: str, target: str, text: str, source: str = "") -> Answer:
    row = EvalRow(id="r", task="t", prompt=Prompt("", source, ""), target=target, kind=kind, form=form)
    return Answer(row, text)


def f1(kind: str, average: str, answers: list[Answer]) -> float:
    one = metric(f"released_{average}_f1", kind)
    return float(one.compute(one.update(answers).sum(0)))


@settings(max_examples=300)
@given(WORDS, WORDS)
def test_rouge_l_is_that_of_the_package(one: str, other: str) -> None:
    from rouge import Rouge

    try:
        expected = Rouge(metrics=["rouge-l"]).get_scores(one, other)[0]["rouge-l"]["f"]
    except ValueError:
        expected = 0.0
    assert rouge_l(one, other) == pytest.approx(expected, abs=1e-12)


def test_rouge_l_of_long_texts_is_that_of_the_package() -> None:
    from rouge import Rouge

    one, other = "x y z w. " * 40, "y x w z. z z " * 15
    assert rouge_l(one, other) == pytest.approx(Rouge(metrics=["rouge-l"]).get_scores(one, other)[0]["rouge-l"]["f"])


def test_rouge_l_takes_chinese_for_one_token() -> None:
    assert rouge_l("红色连衣裙", "红色连衣裙子") == 0.0
    assert rouge_l("红色连衣裙", "红色连衣裙") == pytest.approx(1.0)


LINES = st.lists(
    st.tuples(
        st.sampled_from(["A", "B-x", "颜色", "", "A: B"]),
        st.lists(st.sampled_from(["ab", "b", "bc", "", "None", "zz"])),
    ),
    max_size=4,
).map(lambda lines: "\n".join(f"{type_}: {', '.join(terms)}" for type_, terms in lines))


@settings(max_examples=200)
@given(st.lists(st.tuples(st.text("abc ", max_size=8), LINES, LINES), min_size=1, max_size=4))
def test_ner_is_that_of_seqeval(rows: list[tuple[str, str, str]]) -> None:
    from seqeval.metrics import classification_report

    def tags(text: str, lines: str) -> list[str]:
        return tag(text, terms_by_type(lines or "error", ", "))

    gold, given_ = [tags(text, target) for text, target, _ in rows], [tags(text, lines) for text, _, lines in rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            report = classification_report(gold, given_, output_dict=True)
        except (ValueError, ZeroDivisionError):
            report = {}
    answers = [answer("NER", "typed_spans", target, lines, text) for text, target, lines in rows]
    for average in ("micro", "macro"):
        expected = float(report.get(f"{average} avg", {}).get("f1-score", 0.0))
        expected = 0.0 if expected != expected else expected
        assert f1("NER", average, answers) == pytest.approx(expected, abs=1e-9)


def test_tags_are_written_over_each_other_in_the_answer_s_order() -> None:
    tags = tag("red shoe", terms_by_type("Item: red shoe\nColour: red, None", ", "))
    assert tags == ["B-Colour", "I-Colour", "I-Colour", *["I-Item"] * 5]
    assert entities(tags) == {("Colour", 0, 2), ("Item", 3, 7)}
    assert tag("ab", terms_by_type("X: a, , b", ", ")) == ["B-X", "B-X"]
    assert terms_by_type("no colon\nA: \nB: x, y\nB: z: w", ", ") == {"B": {"x": None, "y": None, "z: w": None}}


def test_label_sets_by_hand() -> None:
    answers = [
        answer("CLS", "labels", "Food, Price", " Food."),  # P = {Food}, T = {Food, Price}
        answer("CLS", "labels", "Service", "Food, Price, Service"),
        answer("CLS", "labels", "Food", ""),  # becomes "error"
    ]
    assert cleaned(answers[2]) == "error"
    # micro: 2 hits, 5 given, 4 asked for; macro: mean P (1 + 1/3 + 0) / 3, mean R (1/2 + 1 + 0) / 3
    assert f1("CLS", "micro", answers) == pytest.approx(2 * 2 / (5 + 4))
    precision, recall = (1 + 1 / 3) / 3, 1.5 / 3
    assert f1("CLS", "macro", answers) == pytest.approx(2 * precision * recall / (precision + recall))


def test_span_extract_and_generate_sets_by_hand() -> None:
    assert f1(
        "Condition_Extract", "micro", [answer("Condition_Extract", "spans", "ab, cd", "ab,  cd")]
    ) == pytest.approx(0.5)
    assert cleaned(answer("Condition_Extract", "spans", "ab", " x ")) == "error"
    assert f1("Extract", "micro", [answer("Extract", "text", "a, b", " a ")]) == pytest.approx(2 / 3)
    assert cleaned(answer("Extract", "text", "a", " .. ")) == "error"
    assert f1("Generate", "micro", [answer("Generate", "text", "aab", " abbc ")]) == pytest.approx(4 / 5)
    assert f1("Generate", "micro", [answer("Generate", "text", "ab", "x")]) == 0.0
