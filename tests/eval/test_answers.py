"""Answers: `parse` undoes `render`, forgives what the rule names, and guesses nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomgpt.tasks.answers import FORMS, Parsed, normal, parse, render

# Two words that no separator, colon or trailing mark can split, in both languages.
NAME = st.from_regex(r"[a-z红蓝绿色0-9]{1,4}( [a-z红蓝绿色0-9]{1,4})?", fullmatch=True).filter(
    lambda name: normal(name) != "none"
)
NAMES = st.lists(NAME, min_size=1, max_size=6, unique_by=normal)
ANYTHING = st.one_of(
    st.text(), st.text(alphabet=",，、;；\n:： .None"), st.binary().map(lambda raw: raw.decode("latin-1"))
)


@given(NAMES, st.data())
def test_parse_undoes_render(names: list[str], data: st.DataObject) -> None:
    label = data.draw(st.sampled_from(names))
    assert parse("label", render("label", (label,)), names) == Parsed((label,), True)
    some = tuple(data.draw(st.lists(st.sampled_from(names), unique=True)))
    assert parse("labels", render("labels", some), names) == Parsed(some, True)
    terms = tuple(data.draw(st.lists(NAME, max_size=5, unique=True)))
    assert parse("spans", render("spans", terms)) == Parsed(terms, True)
    pairs = tuple((name, term) for name in names for term in data.draw(st.lists(NAME, max_size=2, unique=True)))
    assert parse("typed_spans", render("typed_spans", pairs, names), names) == Parsed(pairs, True)
    text = data.draw(st.text(min_size=1).map(str.strip).filter(bool))
    assert parse("text", render("text", (text,))) == Parsed((text,), True)


@given(st.sampled_from(sorted(FORMS)), ANYTHING, st.lists(st.text(), max_size=4), st.sampled_from([", ", "|", "", " "]))
def test_parse_survives_anything(form: str, text: str, candidates: list[str], separator: str) -> None:
    parsed = parse(form, text, candidates, separator)
    assert len(set(parsed.items)) == len(parsed.items)
    if form in ("label", "labels") and candidates and parsed.valid:
        assert set(parsed.items) <= set(candidates)


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize(
    "text", ["," * 10_000, ":" * 10_000, "a, " * 30_000, "\0\ud800\udfff", "x" * 200_000, "A: " * 9_000]
)
def test_endless_answers_are_read(form: str, text: str) -> None:
    """In linear time: with any other this would take minutes."""
    parsed = parse(form, text, ["a", "b, c", "d: e"])
    assert len(parsed.items) <= 2 and not (form == "label" and parsed.valid)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("Positive", ("positive",)),
        ("  positive. \n", ("positive",)),
        ("ＰＯＳＩＴＩＶＥ。", ("positive",)),
        ("very  negative！", ("very negative",)),
        ("U.S.A.", ("U.S.A.",)),
    ],
)
def test_a_label_is_forgiven_its_spelling(text: str, items: tuple[str, ...]) -> None:
    assert parse("label", text, ["positive", "negative", "very negative", "U.S.A."]) == Parsed(items, True)


@pytest.mark.parametrize(
    "text", ["", ".", "positiv", "it is positive", "positive, negative", "positive\n\n### Instruction:", "None"]
)
def test_a_label_is_never_guessed(text: str) -> None:
    parsed = parse("label", text, ["positive", "negative"])
    assert not parsed.valid and "positive" not in parsed.items


def test_candidates_that_differ_in_spelling_only_need_their_own_spelling() -> None:
    assert parse("label", "us", ["US", "us"]) == Parsed(("us",), True)
    assert not parse("label", "Us", ["US", "us"]).valid


@pytest.mark.parametrize(
    "text",
    [
        "红色, 蓝色",
        "红色,蓝色",
        "红色，蓝色",
        "红色、蓝色。",
        "红色;蓝色",
        "红色； 蓝色",
        "红色\n蓝色",
        "红色,, 蓝色,红色,",
    ],
)
def test_every_separator_splits(text: str) -> None:
    assert parse("spans", text).items[0] == "红色"
    assert [normal(item) for item in parse("spans", text).items] == ["红色", "蓝色"]
    assert parse("labels", text, ["蓝色", "红色"]) == Parsed(("红色", "蓝色"), True)


def test_numbers_and_names_with_separators_stay_whole() -> None:
    assert parse("spans", "1,000 mAh, 2,5 cm").items == ("1,000 mAh", "2,5 cm")
    assert parse("spans", "1，000毫安，红色").items == ("1，000毫安", "红色")
    candidates = ["Home, Garden", "Garden", "Toys"]
    assert parse("labels", "home, garden，toys", candidates) == Parsed(("Home, Garden", "Toys"), True)
    assert parse("labels", "a|b|c", ["a|b", "c"], separator="|") == Parsed(("a|b", "c"), True)


def test_none_is_the_empty_list_unless_it_is_a_candidate() -> None:
    assert parse("spans", "none.") == Parsed((), True)
    assert parse("labels", "None", ["a"]) == Parsed((), True)
    assert parse("labels", "none", ["None", "a"]) == Parsed(("None",), True)
    assert parse("typed_spans", "None", ["a"]) == Parsed((), True)
    assert render("labels", ()) == render("spans", ()) == render("typed_spans", ()) == "None"


def test_unknown_labels_stay_as_wrong_answers() -> None:
    assert parse("labels", "red, pink", ["red", "blue"]) == Parsed(("red", "pink"), False)
    assert parse("labels", "anything", []) == Parsed(("anything",), True)


def test_typed_lines() -> None:
    types = ["Brand", "Size: EU", "颜色"]
    text = "brand： Acme, Zeta Inc.\nSIZE: EU: 42\n\n颜色: none"
    assert parse("typed_spans", text, types) == Parsed(
        (("Brand", "Acme"), ("Brand", "Zeta Inc."), ("Size: EU", "42")), True
    )
    assert parse("typed_spans", "Brand: Acme\nno colon here", types) == Parsed(
        (("Brand", "Acme"), ("", "no colon here")), False
    )
    assert parse("typed_spans", "Maker: Acme", types) == Parsed((("Maker", "Acme"),), False)
    for line in ("Brand:", "Brand: ,,", "Maker: None"):
        assert parse("typed_spans", line, types) == Parsed((("", line),), False)
    assert render("typed_spans", (("颜色", "红"),), ["Brand", "颜色"]) == "Brand: None\n颜色: 红"


def test_render_refuses_what_it_cannot_write() -> None:
    with pytest.raises(ValueError, match="one item"):
        render("label", ("a", "b"))
    with pytest.raises(ValueError, match="unknown answer form"):
        render("labl", ("a",))
