"""Whatever is written in a format comes back from its reader, for texts that Hypothesis makes up."""

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from hypothesis import given, settings
from hypothesis import strategies as st
from readers_help import declare, put, take

from ecomgpt.common.errors import UserError
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.readers import READERS
from ecomgpt.sources.readers.conll import spans
from ecomgpt.sources.readers.item import SourceFile
from ecomgpt.sources.readers.pseudo_json import parse_pseudo_json

# Any character but control characters that the formats themselves forbid, and U+FFFD, which means a lost one.
CHARACTERS = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffd\ufeff")
TEXT = st.text(CHARACTERS, min_size=1, max_size=30).map(str.strip).filter(bool)
WORD = st.text(CHARACTERS, min_size=1, max_size=8).filter(lambda word: not any(sign.isspace() for sign in word))
LABELS = {"sentiment": {"1": "positive", "0": "negative"}}
FEW = settings(max_examples=60, deadline=None)
FEWER = settings(max_examples=25, deadline=None)


def back(content: Any, dataset: Dataset) -> Any:
    """What the reader makes of the content."""
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), content)
        return take(Path(folder), dataset)


def distinct(rows: Any, key: Any = lambda row: row) -> Any:
    return list({json.dumps(key(row)): row for row in rows}.values())


@FEW
@given(
    st.lists(
        st.tuples(st.text(CHARACTERS | st.just("\n"), min_size=1).map(str.strip).filter(bool), st.sampled_from("10")),
        min_size=1,
    )
)
def test_csv(rows: Any) -> None:
    rows = distinct(rows)
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerows([("text", "label"), *rows])
    dataset = declare("csv", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=LABELS)
    records, _ = back(stream.getvalue(), dataset)
    assert [(record.text, record.labels["sentiment"]) for record in records] == [
        (text, (LABELS["sentiment"][label],)) for text, label in rows
    ]


@FEW
@given(st.lists(st.tuples(TEXT, st.sampled_from("10")), min_size=1), st.booleans())
def test_json_lines_and_json(rows: Any, ascii_only: Any) -> None:
    rows = distinct(rows)
    objects = [{"text": text, "label": label} for text, label in rows]
    for reader, content in (
        ("jsonl", "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in objects)),
        ("json", json.dumps(objects, ensure_ascii=ascii_only, indent=2)),
    ):
        dataset = declare(reader, ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=LABELS)
        records, _ = back(content, dataset)
        assert [record.text for record in records] == [text for text, _ in rows]


@FEW
@given(st.lists(st.lists(st.tuples(WORD, st.sampled_from(["O", "B-x", "I-x", "B-y"])), min_size=1), min_size=1))
def test_conll(sentences: Any) -> None:
    sentences = distinct(sentences)
    content = "\r\n\r\n".join("\r\n".join(f"{word} {tag}" for word, tag in sentence) for sentence in sentences)
    records, counts = back(content, declare("conll", ["EntityText"], options={"separator": " "}))
    texts = [" ".join(word for word, _ in sentence) for sentence in sentences]
    assert counts.read == len(texts) and set(counts.dropped) <= {"exact repeat"}
    # Tags may differ where the spans that they mark do not (B-x after O, or I-x), so some sentences say the same.
    assert {record.text for record in records} == set(texts)
    assert counts.dropped or [record.text for record in records] == texts
    for record in records:
        for entity in record.entities:
            assert record.text[entity.start : entity.end] == entity.term


@FEW
@given(st.lists(st.tuples(WORD, st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y"])), min_size=1))
def test_conll_spans_agree_with_the_tags(tokens: Any) -> None:
    source = SourceFile(declare("conll", ["EntityText"]), Path("data"), "", "data")
    text, entities = spans(source, tokens, " ", "en")
    inside = {position for entity in entities for position in range(entity.start, entity.end)}
    at = 0
    for word, tag in tokens:
        assert (at in inside) == (tag != "O")
        at += len(word) + 1
    assert text == " ".join(word for word, _ in tokens)


@FEW
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, st.sampled_from(["positive", "neutral"])), min_size=1))
def test_semeval(rows: Any) -> None:
    rows = distinct(rows, key=lambda row: row[:3])
    parts = []
    for before, term, after, polarity in rows:
        start = len(before) + 1
        parts.append(
            f"<sentence><text>{escape(f'{before} {term} {after}')}</text>"
            f"<aspectTerms><aspectTerm term={quoteattr(term)} "
            f'polarity="{polarity}" from="{start}" to="{start + len(term)}"/></aspectTerms></sentence>'
        )
    records, counts = back(f"<s>{''.join(parts)}</s>", declare("semeval14", ["Review"]))
    assert len(records) + counts.dropped["exact repeat"] == len(rows)
    for record in records:
        (aspect,) = record.aspects
        assert record.text[aspect.start : aspect.end] == aspect.term


@FEW
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, st.sampled_from(["Positive", "Negative"])), min_size=1))
def test_triples(rows: Any) -> None:
    rows = [row for row in rows if "$T$" not in "".join(row)]
    if not rows:
        return
    content = "".join(f"{before} $T$ {after}\n{term}\n{polarity}\n" for before, term, after, polarity in rows)
    records, counts = back(content, declare("triples", ["Review"]))
    assert counts.read == len(rows)
    assert {record.text for record in records} <= {f"{before} {term} {after}" for before, term, after, _ in rows}
    for record in records:
        for aspect in record.aspects:
            assert record.text[aspect.start : aspect.end] == aspect.term


@FEW
@given(st.lists(st.tuples(WORD, WORD, WORD, WORD), min_size=1))
def test_ditto(rows: Any) -> None:
    rows = distinct(rows, key=lambda row: row)
    content = "".join(
        f"COL title VAL {a} COL brand VAL {b}\tCOL title VAL {c} COL brand VAL {d}\t1\n" for a, b, c, d in rows
    )
    records, _ = back(content, declare("ditto", ["TextPair"], labels={"relation": {"1": "same"}}))
    expected = [(f"title: {a}; brand: {b}", f"title: {c}; brand: {d}") for a, b, c, d in rows]
    assert [(record.left, record.right) for record in records] == expected


@FEW
@given(st.lists(st.text(CHARACTERS, min_size=1).map(str.strip).filter(bool), min_size=1))
def test_pseudo_json(values: Any) -> None:
    values = [value.replace("\\", "").replace('"', "").strip() or "x" for value in values]
    written = "; ".join(f'{{ value:"{value}" }}' for value in values)
    assert parse_pseudo_json(f"some_name: {written}") == [("some name", value) for value in values]


@FEWER
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, st.sampled_from(["positive", "negative"])), min_size=1))
def test_semeval15(rows: Any) -> None:
    """With words of its own, and without (target NULL)."""
    rows = distinct(rows, key=lambda row: row[:3])
    parts = []
    for number, (before, term, after, polarity) in enumerate(rows):
        start = len(before) + 1
        target = (
            f'target={quoteattr(term)} from="{start}" to="{start + len(term)}"'
            if number % 2
            else 'target="NULL" from="0" to="0"'
        )
        parts.append(
            f"<sentence><text>{escape(f'{before} {term} {after}')}</text><Opinions>"
            f'<Opinion {target} category="FOOD#QUALITY" polarity="{polarity}"/></Opinions></sentence>'
        )
    records, counts = back(f"<s>{''.join(parts)}</s>", declare("semeval15", ["Review"]))
    assert counts.read == len(rows) == len(records) + sum(counts.dropped.values())
    for record in records:
        (aspect,) = record.aspects
        assert aspect.category == "FOOD#QUALITY"
        assert aspect.term == (record.text[aspect.start : aspect.end] if aspect.start >= 0 else "")


@FEWER
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT, st.sampled_from("10")), min_size=1))
def test_deepmatcher(rows: Any) -> None:
    rows = distinct(rows)
    stream = io.StringIO()
    header = ("left_title", "left_brand", "right_title", "right_brand", "label")
    csv.writer(stream).writerows([header, *rows])
    records, counts = back(
        stream.getvalue(), declare("deepmatcher", ["TextPair"], labels={"relation": {"1": "same", "0": "other"}})
    )
    expected = {(f"title: {a}; brand: {b}", f"title: {c}; brand: {d}") for a, b, c, d, _ in rows}
    assert counts.read == len(rows) and {(record.left, record.right) for record in records} == expected


LINE = st.text(CHARACTERS, min_size=1, max_size=30).map(lambda text: " ".join(text.split())).filter(bool)


@FEWER
@given(st.lists(st.tuples(LINE, st.lists(LINE, min_size=1, max_size=4, unique=True)), min_size=1, max_size=5))
def test_retrieval(searches: Any) -> None:
    dataset = declare(
        "retrieval", ["Search"], files={"train": ["qrels.tsv"]}, options={"queries": {"qrels.tsv": "queries.tsv"}}
    )
    with tempfile.TemporaryDirectory() as folder:
        judged, corpus = [], []
        for number, (_, passages) in enumerate(searches):
            for place, passage in enumerate(passages):
                judged.append(f"q{number}\t0\tp{number}-{place}\t1\n")
                corpus.append(f"p{number}-{place}\t{passage}\n")
        put(Path(folder), "".join(judged), "qrels.tsv")
        put(Path(folder), "".join(corpus), "corpus.tsv")
        put(Path(folder), "".join(f"q{number}\t{query}\n" for number, (query, _) in enumerate(searches)), "queries.tsv")
        records, counts = take(Path(folder), dataset)
    assert counts.read == len(judged)
    shown = {(record.query, tuple(title for title, _ in record.results)) for record in records}
    assert shown == {(query, tuple(passages)) for query, passages in searches}


@settings(max_examples=6, deadline=None)
@given(st.lists(st.tuples(TEXT, st.sampled_from("10")), min_size=1))
def test_hub(rows: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    rows = distinct(rows)
    dataset = declare("hub", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=LABELS)
    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder), b"", "data.parquet")
        parquet.write_table(pa.Table.from_pylist([{"text": text, "label": label} for text, label in rows]), path)
        records, _ = take(Path(folder), dataset)
    assert [record.text for record in records] == [text for text, _ in rows]


KIND = {
    "conll": "EntityText",
    "semeval14": "Review",
    "semeval15": "Review",
    "triples": "Review",
    "ditto": "TextPair",
    "deepmatcher": "TextPair",
    "retrieval": "Search",
}


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([name for name in READERS if name != "demo"]))
def test_any_bytes_end_in_records_or_one_clear_error(content: Any, reader: Any) -> None:
    dataset = declare(
        reader,
        [KIND.get(reader, "LabelledText")],
        columns={"text": "text"},
        options={"queries": {"data": "data"}, "corpus": "data"} if reader == "retrieval" else {},
    )
    try:
        back(content, dataset)
    except UserError as error:
        assert all("data" in problem for problem in error.problems)
