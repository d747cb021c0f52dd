"""Files as they should not be: one message with file and line, few tolerated rows, nothing lost silently."""

import json
import tracemalloc
from pathlib import Path

import pytest
from readers_help import declare, put, take

from ecomgpt.common.errors import UserError
from ecomgpt.sources.catalog import ReadCounts, read
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.readers import lines

LABELS = {"sentiment": {"1": "positive", "0": "negative"}}
CSV = declare("csv", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=LABELS)
JSONL = declare("jsonl", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=LABELS)
JSON = declare("json", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=LABELS)
CONLL = declare("conll", ["EntityText"], labels={"entity": {"BRAND": "Brand"}})
XML = declare("semeval14", ["Review"])
OPINIONS = declare("semeval15", ["Review"])
TRIPLES = declare("triples", ["Review"], labels={"polarity": {"Positive": "positive"}})
DITTO = declare("ditto", ["TextPair"], labels={"relation": {"1": "same"}})
SPANS = declare("csv", ["Question"], columns={"question": "q", "context": "c", "answers": "a"}, options={"span": True})
STARS = declare("csv", ["Review"], columns={"text": "text", "rating": "label"})
SCORED = declare("jsonl", ["LabelledText"], columns={"text": "t", "intent": "i"})
NAMED = declare(
    "jsonl", ["Product"], columns={"title": "t", "attributes": "a"}, options={"attributes": {"form": "name_value"}}
)
PLACED = declare("jsonl", ["EntityText"], columns={"text": "t", "entities": "e"})
MAVE = declare("jsonl", ["EntityText"], columns={"text": "p", "attributes": "a"}, options={"paragraphs": True})
SENTENCE = "<s><sentence><text>A fan.</text><aspectTerms><aspectTerm {}/></aspectTerms></sentence></s>"

BAD: dict[str, tuple[Dataset, str | bytes, int | None, str]] = {
    "cell too many": (CSV, "text,label\nfine,1\nbad,1,2\n", 3, "has 3 cells, but there are 2 columns"),
    "unknown label": (CSV, "text,label\nfine,1\nbad,positiv\n", 3, "the sentiment 'positiv' is none of its labels"),
    "missing column": (
        CSV,
        "text,lable\nfine,1\n",
        1,
        "there is no column 'label' (for 'sentiment'); did you mean 'lable'?",
    ),
    "open quote": (
        CSV,
        'text,label\nfine,1\n"never closed,1\nnext,1\n',
        3,
        "lines 3 to 4, from an opened quotation mark",
    ),
    "only a header": (CSV, "text,label\n", None, "holds no rows"),
    "empty csv": (CSV, "", None, "holds no rows"),
    "NUL bytes": (CSV, b"text,label\nfine,1\n\x00\x01\x02,1\n", 3, "holds NUL bytes"),
    "UTF-16": (CSV, "text,label\nfine,1\n".encode("utf-16"), 1, "binary or UTF-16"),
    "mixed encodings": (
        CSV,
        "text,label\nCafé,1\n".encode() + "Café,0\n".encode("latin-1"),
        3,
        "is not utf-8 (byte 0xe9 at position 4)",
    ),
    "no stars": (STARS, "text,label\nfine,5\nbad,six\n", 3, "the rating 'six' is not a number"),
    "six stars": (STARS, "text,label\nfine,5\nbad,6\n", 3, "not one of 1 to 5 stars"),
    "cut JSON line": (JSONL, '{"text": "fine", "label": 1}\n{"text": "cu', 2, "broken JSON"),
    "JSON list in a line": (JSONL, '{"text": "fine", "label": 1}\n[1]\n', 2, "holds a list, expected a JSON object"),
    "missing key": (JSONL, '{"text": "fine", "lable": 1}\n', 1, "there is no 'label'; did you mean 'lable'?"),
    "half a character": (JSONL, '{"text": "\\ud83d", "label": 1}\n', 1, "lone surrogate"),
    "endless number": (JSONL, '{"text": "fine", "label": 1}\n{"text": ' + "9" * 5000 + "}", 2, "limit"),
    "endless number in a list": (JSON, '[\n{"text": ' + "9" * 5000 + "}]", 2, "limit"),
    "deep JSON": (JSONL, "[" * 100_000 + "\n", 1, "nested too deeply"),
    "empty JSON Lines": (JSONL, "\n\n", None, "holds no rows"),
    "cut JSON": (JSON, '[{"text": "fine", "label": 1},\n{"text": "cu', 2, "broken JSON: Unterminated string"),
    "JSON without its end": (JSON, '[{"text": "fine", "label": 1},\n', 2, "the JSON list is cut off before its ']'"),
    "JSON object": (JSON, '{"text": 1}', 1, "expected a JSON list, found '{'"),
    "empty JSON": (JSON, "", 1, "is empty"),
    "broken JSON": (JSON, '[{"text": "fine", "label": 1},\n{"text": fine}]', 2, "broken JSON: Expecting value"),
    "binary JSON": (JSON, b'[{"text": "a",\n"label": \x00}]', 2, "NUL bytes"),
    "Latin-1 JSON": (JSON, b'[{"text": "a",\n"label": "\xe9"}]', 2, "is not utf-8"),
    "no tag": (CONLL, "Acme B-BRAND\n\nlamp\n", 3, "has 1 column(s): 'lamp'"),
    "no tag within": (CONLL, "a O\n\nAcme B-BRAND\nlamp\nshade O\n", 4, "has 1 column(s): 'lamp'"),
    "strange tag within": (CONLL, "Acme B-BRAND\nlamp O\nshade Z\n", 3, "the tag 'Z' is not O, B-type or I-type"),
    "unknown type within": (CONLL, "lamp O\nAcme B-BRND\n", 2, "the entity 'BRND' is none of its labels"),
    "bytes within": (CONLL, b"lamp O\n\xe9 O\n", 2, "is not utf-8"),
    "bytes within a triple": (TRIPLES, b"a $T$\nfan\nPositiv\xe9\n", 3, "is not utf-8"),
    "strange tag": (CONLL, "Acme X-BRAND\n", 1, "the tag 'X-BRAND' is not O, B-type or I-type"),
    "unknown type": (CONLL, "Acme B-BRND\n", 1, "the entity 'BRND' is none of its labels; did you mean 'BRAND'?"),
    "cut XML": (XML, "<s>\n<sentence><text>A", 2, "is empty or cut off"),
    "broken XML": (XML, "<s>\n<sentence><text>A & B</text></sentence></s>", 2, "broken XML"),
    "empty XML": (XML, "", 1, "is empty or cut off"),
    "other XML": (XML, "<html></html>", None, "holds no <sentence> element"),
    "wrong offsets": (
        XML,
        SENTENCE.format('term="fan" polarity="good" from="1" to="4"'),
        1,
        "'fan' does not stand at (1, 4)",
    ),
    "no offsets": (XML, SENTENCE.format('term="fan" polarity="good"'), 1, "<aspectTerm> has no 'from' (line 1)"),
    "no text": (XML, "<s>\n<sentence></sentence></s>", 2, "the sentence has no <text>"),
    "no category": (
        OPINIONS,
        '<s><sentence><text>A</text>\n<Opinion polarity="good"/></sentence></s>',
        1,
        "<Opinion> has no 'category' (line 2)",
    ),
    "cut triple": (TRIPLES, "a $T$\nfan\nPositive\nthe $T$\n", 4, "the last example is cut off"),
    "triple out of step": (TRIPLES, "fan\nPositive\na $T$\n", 1, "the text holds no $T$"),
    "empty aspect": (TRIPLES, "a $T$\n \nPositive\n", 1, "the aspect is empty"),
    "unknown polarity": (TRIPLES, "a $T$\nfan\nPositiv\n", 1, "the polarity 'Positiv' is none of its labels"),
    "pair without label": (DITTO, "COL t VAL a\tCOL t VAL b\n", 1, "has 2 tab-separated parts"),
    "pair without columns": (DITTO, "cap\tCOL t VAL b\t1\n", 1, "'cap' does not begin with 'COL name VAL'"),
    "offsets outside": (
        SPANS,
        'q,c,a\nlong?,ab,"(1, 9)"\n',
        2,
        "the offsets (1, 9) lie outside the context of 2 characters",
    ),
    "score that is none": (
        SCORED,
        '{"t": "x", "i": [["a", "b"]]}',
        1,
        "the score 'b' of a label on 'intent' is not a number",
    ),
    "attributes without names": (
        NAMED,
        '{"t": "x", "a": [{"value": "b"}]}',
        1,
        "are not a list of {name: ..., value: ...}",
    ),
    "entities without offsets": (
        PLACED,
        '{"t": "x", "e": [{"start": null, "end": 1}]}',
        1,
        "are not a list of {start, end, label}",
    ),
    "labels without evidence": (MAVE, '{"p": [{"text": "x"}], "a": [{"key": "k"}]}', 1, "are not as MAVE writes them"),
    "no pair of offsets": (SPANS, "q,c,a\nlong?,ab,[1]\n", 2, "are not a pair of numbers"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_message_with_file_and_line(tmp_path: Path, name: str) -> None:
    dataset, content, line, words = BAD[name]
    path = put(tmp_path, content)
    with pytest.raises(UserError) as caught:
        take(tmp_path, dataset)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert words in problem


DEEPMATCHER = declare("deepmatcher", ["TextPair"])
RETRIEVAL = declare("retrieval", ["Search"], options={"queries": {"data": "queries.tsv"}})
ENDLESS = {
    "csv": (CSV, b"text,label\n", 2),
    "jsonl": (JSONL, b'{"text": "a", "label": 1}\n{"text": "', 2),
    "json": (JSON, b'[{"text": "', 1),
    "conll": (CONLL, b"a O\n", 2),
    "semeval14": (XML, b"<s>\n<sentence><text>", 2),
    "semeval15": (OPINIONS, b"<s>\n<sentence><text>", 2),
    "triples": (TRIPLES, b"a $T$\n", 2),
    "ditto": (DITTO, b"COL t VAL ", 1),
    "deepmatcher": (DEEPMATCHER, b"left_t,right_t,label\n", 2),
    "retrieval": (RETRIEVAL, b"q1\t0\tp1\t1\n", 2),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_hundred_megabytes_in_one_line(tmp_path: Path, name: str) -> None:
    """Refused with file and line, long before it is held in memory."""
    dataset, begin, line = ENDLESS[name]
    path = tmp_path / "raw" / "shop" / "data"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(begin)
        for _ in range(100):
            file.write(b"x" * 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=f"data:{line}: ") as caught:
            take(tmp_path, dataset, max_bad_rows=5)
        assert "10 MB" in str(caught.value) or (name == "json" and "64 MB" in str(caught.value))
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()


def test_a_long_line_of_text_is_refused_before_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines.read_lines, "__defaults__", ("utf-8", 1000))
    put(tmp_path, "text,label\n" + "x" * 2000 + ",1\n")
    with pytest.raises(UserError, match=r"data:2: the line is longer than .* MB; is this the right file\?"):
        take(tmp_path, CSV)


def test_bad_rows_are_tolerated_up_to_the_limit_and_counted(tmp_path: Path) -> None:
    put(tmp_path, "text,label\nfine,1\na,2\nb,3\nalso fine,0\n")
    records, counts = take(tmp_path, CSV, max_bad_rows=2)
    assert [record.text for record in records] == ["fine", "also fine"]
    assert counts.dropped == {"malformed": 2}
    with pytest.raises(UserError) as caught:
        take(tmp_path, CSV, max_bad_rows=1)
    # Everything that is wrong so far is said, the remedy once.
    assert len(caught.value.problems) == 2
    assert "data:3: " in caught.value.problems[0] and "data:4: " in caught.value.problems[1]
    assert "set sources.max_bad_rows (now 1)" in caught.value.problems[1]


def test_lines_swallowed_by_an_open_quote_all_count_as_bad(tmp_path: Path) -> None:
    put(tmp_path, 'text,label\nfine,1\n"open,1\nb,1\nc,1\n')
    with pytest.raises(UserError):
        take(tmp_path, CSV, max_bad_rows=2)
    assert take(tmp_path, CSV, max_bad_rows=3)[1].dropped == {"malformed": 3}


def test_a_bad_line_spoils_its_row_alone(tmp_path: Path) -> None:
    put(tmp_path, b"text,label\nfine,1\nCaf\xe9,1\nalso fine,0\n")
    assert [record.text for record in take(tmp_path, CSV, max_bad_rows=1)[0]] == ["fine", "also fine"]
    put(tmp_path, b"Acme B-BRAND\n\xe9 O\n\nlamp O\n")
    assert [record.text for record in take(tmp_path, CONLL, max_bad_rows=1)[0]] == ["lamp"]


def test_duplicated_ids_are_bad_rows(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": "a", "label": 1}, {"id": 1, "text": "b", "label": 1}]
    path = put(tmp_path, "".join(json.dumps(row) + "\n" for row in rows))
    dataset = declare(
        "jsonl", ["LabelledText"], columns={"id": "id", "text": "text", "sentiment": "label"}, labels=LABELS
    )
    with pytest.raises(UserError, match="the id 'data:1' stands in an earlier row too") as caught:
        take(tmp_path, dataset)
    assert caught.value.problems[0].startswith(f"{path}:2: ")
    records, counts = take(tmp_path, dataset, max_bad_rows=1)
    assert len(records) == 1 and counts.dropped == {"malformed": 1}


def test_other_encodings_are_declared(tmp_path: Path) -> None:
    put(tmp_path, "text,label\n很好,1\n".encode("gb18030"))
    dataset = declare("csv", ["LabelledText"], columns=CSV.columns, labels=LABELS, options={"encoding": "gb18030"})
    assert take(tmp_path, dataset)[0][0].text == "很好"


def test_outside_entities_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("classified")
    put(
        tmp_path,
        f'<!DOCTYPE s [<!ENTITY x SYSTEM "file://{secret}">]>\n<s><sentence><text>A &x; B</text></sentence></s>',
    )
    records, _ = take(tmp_path, XML)
    assert "classified" not in records[0].text


def test_a_file_that_can_not_be_opened(tmp_path: Path) -> None:
    path = put(tmp_path, "x")
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        list(read(CSV, tmp_path, ReadCounts()))


def test_broken_retrieval_collections(tmp_path: Path) -> None:
    dataset = declare(
        "retrieval", ["Search"], files={"train": ["qrels.tsv"]}, options={"queries": {"qrels.tsv": "queries.tsv"}}
    )
    put(tmp_path, "q1\t0\tp1\t1\nq2\t0\tp1\t1\nq1\t0\tp9\t1\nq1 p1\n", "qrels.tsv")
    put(tmp_path, "q1\tred cap\n", "queries.tsv")
    put(tmp_path, "p1\tcap\n", "corpus.tsv")
    records, counts = take(tmp_path, dataset, max_bad_rows=3)
    assert len(records) == 1 and counts.dropped == {"malformed": 3}
    put(tmp_path, "p1\n", "corpus.tsv")
    with pytest.raises(UserError, match=r"corpus\.tsv:1: has 1 tab-separated cells"):
        take(tmp_path, dataset, max_bad_rows=3)
