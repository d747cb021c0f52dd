"""The released scoring against a second, plain way to compute it, written from the description of what the script does.

It uses the packages that the script uses (rouge, seqeval), Python sets and nothing of ours but the rows.
"""

import warnings
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecomgpt.eval.metrics.names import metric
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.tasks.prompt import Prompt

Pairs = list[tuple[str, str, str]]
"""(input text, prediction, target)."""

PIECES = ["red", "shoe", "红", "红色", ", ", ",", ".", " ", "None", "Colour", ": ", "\n", "\u3000", "\t", "a. b", "错"]
TERM = st.sampled_from(["", "red", "re", "shoe", "红色", "None"])
LINE = st.tuples(st.sampled_from(["Colour", "Item", "颜色", ""]), st.lists(TERM)).map(
    lambda line: f"{line[0]}: {', '.join(line[1])}"
)
TEXT = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.lists(LINE, max_size=3).map("\n".join),
    st.text(" .\n\t\r\u3000\xa0\u2028", max_size=4),
)
TARGET = TEXT.filter(lambda text: bool(text.strip()))
ROWS = st.lists(st.tuples(TEXT, TEXT, TARGET), min_size=1, max_size=5)


def harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0


def set_scores(pairs: list[tuple[set[str], set[str]]]) -> tuple[float, float]:
    hits = [len(given_ & gold) for given_, gold in pairs]
    all_given, all_gold = sum(len(given_) for given_, _ in pairs), sum(len(gold) for _, gold in pairs)
    micro = harmonic(sum(hits) / all_given if all_given else 0.0, sum(hits) / all_gold if all_gold else 0.0)
    precisions = [hit / len(given_) if given_ else 0.0 for hit, (given_, _) in zip(hits, pairs, strict=True)]
    recalls = [hit / len(gold) if gold else 0.0 for hit, (_, gold) in zip(hits, pairs, strict=True)]
    return micro, harmonic(sum(precisions) / len(pairs), sum(recalls) / len(pairs))


def mean_rouge(pairs: list[tuple[str, str]]) -> float:
    from rouge import Rouge

    scores = []
    for text, target in pairs:
        try:
            scores.append(Rouge(metrics=["rouge-l"]).get_scores(text, target)[0]["rouge-l"]["f"])
        except ValueError:  # Where the script would stop.
            scores.append(0.0)
    return sum(scores) / len(scores)


def labels(rows: Pairs) -> dict[str, float]:
    cleaned = [(text.strip().replace(".", "") if text != "" else "error", target) for _, text, target in rows]
    micro, macro = set_scores([(set(text.split(", ")), set(target.split(", "))) for text, target in cleaned])
    return {"micro_f1": micro, "macro_f1": macro, "rouge_l": mean_rouge(cleaned)}


def spans(rows: Pairs) -> dict[str, float]:
    cleaned = [("error" if len(text.strip()) <= 1 else text, target or "error") for _, text, target in rows]
    micro, macro = set_scores([(set(text.split(", ")), set(target.split(", "))) for text, target in cleaned])
    return {"micro_f1": micro, "macro_f1": macro, "rouge_l": mean_rouge(cleaned)}


def extract(rows: Pairs) -> dict[str, float]:
    cleaned = [("error" if text.replace(".", "").strip() == "" else text, target) for _, text, target in rows]
    pairs = [(set(text.strip().split(", ")), set(target.strip().split(", "))) for text, target in cleaned]
    micro, macro = set_scores(pairs)
    return {"micro_f1": micro, "macro_f1": macro, "rouge_l": mean_rouge(cleaned)}


def generate(rows: Pairs) -> dict[str, float]:
    cleaned = [(text or "error", target) for _, text, target in rows]
    micro, macro = set_scores([(set(text.strip()), set(target.strip())) for text, target in cleaned])
    return {"micro_f1": micro, "macro_f1": macro, "rouge_l": mean_rouge(cleaned)}


def typed(rows: Pairs) -> dict[str, float]:
    from seqeval.metrics import classification_report

    def tags(text: str, answer: str) -> list[str]:
        found: dict[str, list[str]] = {}
        for line in answer.split("\n"):
            if ": " in line and line[-2:] != ": ":
                type_, terms = line.split(": ", 1)
                for term in terms.split(", "):
                    if term not in found.setdefault(type_, []):
                        found[type_].append(term)
        result = ["O" for _ in text]
        for type_, terms_ in found.items():
            # A CPython set yields the empty term first: hash("") is 0. The order of the others is chance.
            for term in [""] * ("" in terms_) + [term for term in terms_ if term]:
                if term == "None":
                    continue
                for start in range(len(text)):
                    if text[start : start + len(term)] == term:
                        result[start] = "B-" + type_
                        for at in range(start + 1, start + len(term)):
                            result[at] = "I-" + type_
        return result

    cleaned = [(source, text or "error", target) for source, text, target in rows]
    gold = [tags(source, target) for source, _, target in cleaned]
    given_ = [tags(source, text) for source, text, _ in cleaned]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            report = classification_report(gold, given_, output_dict=True)
        except (ValueError, ZeroDivisionError):  # No entity on either side.
            report = {}
    values = {f"{name}_f1": float(report.get(f"{name} avg", {}).get("f1-score", 0.0)) for name in ("micro", "macro")}
    values = {name: 0.0 if value != value else value for name, value in values.items()}
    return {**values, "rouge_l": mean_rouge([(text, target) for _, text, target in cleaned])}


KINDS: dict[str, tuple[str, Callable[[Pairs], dict[str, float]]]] = {
    "CLS": ("labels", labels),
    "NER": ("typed_spans", typed),
    "Condition_Extract": ("spans", spans),
    "Extract": ("text", extract),
    "Generate": ("text", generate),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=400)
@given(rows=ROWS)
@example(rows=[("红色 shoe", "Colour: 红色", "Colour: 红色"), ("shoe", "", "Colour: shoe, red")])
@example(rows=[("", "", "."), ("red", ".", "red")])
@example(rows=[("red", "\n", "red"), ("red", ".\u3000", "error")])
@example(rows=[("red shoe", "Colour: red, , shoe", "Colour: red, shoe")])
def test_the_released_scores_are_those_of_the_plain_way(kind: str, rows: Pairs) -> None:
    form, plain = KINDS[kind]
    answers = [
        Answer(EvalRow(id="r", task="t", prompt=Prompt("", source, ""), target=target, form=form, kind=kind), text)
        for source, text, target in rows
    ]
    for name, value in plain(rows).items():
        pair = metric(f"released_{name}", kind)
        assert float(pair.compute(pair.update(answers).sum(0))) == pytest.approx(value, abs=1e-9), name
