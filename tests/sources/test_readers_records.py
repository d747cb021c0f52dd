"""Pairs, dialogues, products and collections of them; on invented rows."""

import json
from pathlib import Path
from typing import Any

import pytest
from readers_help import declare, put, take

from ecomgpt.sources.readers.attributes import tagged_entities
from ecomgpt.sources.readers.offer_pairs import web_text
from ecomgpt.sources.readers.pseudo_json import parse_pseudo_json
from ecomgpt.sources.records import Aspect, Entity


def test_ditto_pairs_name_the_columns_and_know_dirty_copies(tmp_path: Path) -> None:
    put(
        tmp_path,
        "COL title VAL red cap COL brand VAL fox COL price VAL  "
        "\tCOL title VAL blue cap COL brand VAL  COL price VAL 3\t0\n",
        "data1",
    )
    put(
        tmp_path,
        "COL title VAL red cap fox COL brand VAL  COL price VAL  "
        "\tCOL title VAL blue cap COL brand VAL  COL price VAL 3\t0\n",
        "data2",
    )
    dataset = declare(
        "ditto",
        ["TextPair"],
        labels={"relation": {"0": "different", "1": "same"}},
        options={"names": {"title": "name"}},
    )
    first, second = take(tmp_path, dataset)[0]
    assert (first.left, first.right, first.relation) == (
        "name: red cap; brand: fox",
        "name: blue cap; price: 3",
        "different",
    )
    assert first.group == second.group


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ('"Red cap"@en, " cap "@en-US - Shop"@en', "Red cap, cap - Shop"),
        ('TV 24" black "new', 'TV 24" black new'),
        ("mail me@en.com", "mail me@en.com"),
    ],
)
def test_web_text(raw: Any, clean: Any) -> None:
    assert web_text(raw) == clean


def test_deepmatcher_table(tmp_path: Path) -> None:
    put(tmp_path, "id,label,left_title,left_price,right_title,right_price\n0,1,cap,,red cap,3\n")
    (record,), _ = take(tmp_path, declare("deepmatcher", ["TextPair"], labels={"relation": {"1": "same"}}))
    assert (record.left, record.right, record.relation) == ("title: cap", "title: red cap; price: 3", "same")


def test_dialogues_as_objects_and_as_pairs(tmp_path: Path) -> None:
    put(
        tmp_path,
        json.dumps(
            [
                {
                    "id": "Caps:1",
                    "turns": [
                        {"who": "Client", "said": "Hi\nthere", "intents": [["greet", 3.0], ["ask", 1.0]]},
                        {"who": "Client", "said": " ", "intents": []},
                    ],
                }
            ],
            indent=1,
        ),
    )
    dataset = declare(
        "json",
        ["Dialogue"],
        labels={"speaker": {"Client": "Customer"}, "intent": {"greet": "greeting", "ask": "question"}},
        columns={
            "id": "id",
            "topic": "id",
            "turns": "turns",
            "turn.speaker": "who",
            "turn.text": "said",
            "turn.intent": "intents",
        },
        options={"min_score": 2, "extract": {"topic": "^([^:]+)"}},
    )
    (record,), counts = take(tmp_path, dataset)
    assert [(turn.speaker, turn.text, turn.labels) for turn in record.turns] == [
        ("Customer", "Hi\nthere", (("intent", ("greeting",)),))
    ]
    assert record.labels == {"topic": ("Caps",)}
    assert counts.left_out == {"intent below the score of 2": 1, "turns without text": 1}
    put(tmp_path, json.dumps([{"id": 7, "scenario": {"flow": "returns"}, "original": [["agent", "Hello"]]}]))
    dataset.columns = {"id": "id", "flow": "scenario.flow", "turns": "original", "turn.speaker": "0", "turn.text": "1"}
    dataset.labels = {}
    (record,), _ = take(tmp_path, dataset)
    assert record.labels == {"flow": ("returns",)} and record.turns[0].speaker == "agent" and record.id == "data:7"


def test_dialogue_lines_and_searches_gather_neighbours(tmp_path: Path) -> None:
    put(tmp_path, "1\t0\thi\n1\t1\thello\n1\t1\t \n2\t0\tbye\n")
    options = {"delimiter": "\t", "header": ["s", "w", "t"]}
    dataset = declare(
        "csv",
        ["Dialogue"],
        columns={"dialogue": "s", "speaker": "w", "text": "t"},
        options=options,
        labels={"speaker": {"0": "Customer", "1": "Agent"}},
    )
    records, counts = take(tmp_path, dataset)
    assert [[(turn.speaker, turn.text) for turn in record.turns] for record in records] == [
        [("Customer", "hi"), ("Agent", "hello")],
        [("Customer", "bye")],
    ]
    assert counts.dropped == {"empty text": 1}
    put(tmp_path, "cap\tE\tred cap\ncap\tI\tlamp\nmug\tE\tmug\n")
    dataset = declare("csv", ["Search"], columns={"query": "s", "relevance": "w", "title": "t"}, options=options)
    records, _ = take(tmp_path, dataset)
    assert [(record.query, record.results) for record in records] == [
        ("cap", (("red cap", "E"), ("lamp", "I"))),
        ("mug", (("mug", "E"),)),
    ]


def test_aspect_columns_and_stars(tmp_path: Path) -> None:
    put(tmp_path, b"\xef\xbb\xbfid,text,star,taste,price\n1,good,5.0,1,-2\n")
    dataset = declare(
        "csv",
        ["Review"],
        columns={"text": "text", "rating": "star", "aspects": "taste"},
        options={"absent": ["-2"]},
        labels={"category": {"taste": "Taste", "price": "Price"}, "polarity": {"1": "positive"}},
    )
    (record,), _ = take(tmp_path, dataset)
    assert record.rating == 5
    assert record.aspects == (Aspect("positive", category="Taste"),)


def test_products_that_share_a_title_are_joined_over_clusters(tmp_path: Path) -> None:
    put(tmp_path, "cap red,1\ncap,1\nCAP ,2\ncap blue,2\nlamp,3\n")
    dataset = declare(
        "csv", ["Product"], columns={"title": "t", "cluster": "c"}, options={"header": ["t", "c"], "connect": True}
    )
    groups = [record.group for record in take(tmp_path, dataset)[0]]
    assert len(set(groups[:4])) == 1 and groups[4] != groups[0]


def test_written_attributes_become_a_source(tmp_path: Path) -> None:
    put(tmp_path, json.dumps({"content": "类型#裙*颜色#红色", "summary": "红色的裙"}, ensure_ascii=False) + "\n")
    dataset = declare(
        "jsonl",
        ["Transfer", "Product"],
        language="zh",
        options={"attributes": {"form": "pairs"}},
        columns={"source": "content", "target": "summary", "attributes": "content", "description": "summary"},
    )
    transfer, product = take(tmp_path, dataset)[0]
    assert (transfer.source, transfer.target) == ("类型：裙；颜色：红色", "红色的裙")
    assert product.attributes == (("类型", "裙"), ("颜色", "红色")) and product.description == "红色的裙"


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ('brand: { value:"ACME" }', [("brand", "ACME")]),
        ("item_type:  { value:\"a\" }; { value:'b, c' }", [("item type", "a"), ("item type", "b, c")]),
        (
            "w: { unit:kilograms, normalized_value:{ unit:pounds, value:77 }, value:35. }",
            [("w", "35 kilograms (77 pounds)")],
        ),
        (
            'strap: { depth:[ { unit:feet, string_value:"7.2 feet", decimal_value:7.2 } ] }',
            [("strap depth", "7.2 feet")],
        ),
        (r'fits: { value:"easel (9\")" }', [("fits", 'easel (9")')]),
        ('size: { value:"7”-9”" }', [("size", "7”-9”")]),
        ("lining: { }", []),
    ],
)
def test_pseudo_json(text: Any, pairs: Any) -> None:
    assert parse_pseudo_json(text) == pairs


def test_mave_and_inline_tags(tmp_path: Path) -> None:
    row = {
        "id": "p1",
        "category": "Caps",
        "paragraphs": [{"text": "Red cap", "source": "title"}, {"text": "Wool", "source": "d"}],
        "attributes": [
            {"key": "Color", "evidences": [{"value": "Red", "pid": 0, "begin": 0, "end": 3}]},
            {"key": "Material", "evidences": [{"value": "Wool", "pid": 1, "begin": 0, "end": 4}]},
        ],
    }
    put(tmp_path, json.dumps(row) + "\n")
    columns = {"id": "id", "text": "paragraphs", "attributes": "attributes"}
    (record,), counts = take(tmp_path, declare("jsonl", ["EntityText"], columns=columns, options={"paragraphs": True}))
    assert record.entities == (Entity("Color", 0, 3, "Red"),)
    assert counts.left_out == {"attribute value outside the title": 1}
    assert tagged_entities("<a>x</a>y<b>z</b>") == ("xyz", (Entity("a", 0, 1, "x"), Entity("b", 2, 3, "z")))


def test_retrieval_collection(tmp_path: Path) -> None:
    put(tmp_path, "q1\t0\tp2\t1\nq1\t0\tp1\t1\n", "qrels.train.tsv")
    put(tmp_path, "q1\tred cap\nq2\tunused\n", "train.query.txt")
    put(tmp_path, "p1\tcap\np2\tcap, red\np3\tlamp\n", "corpus.tsv")
    dataset = declare(
        "retrieval",
        ["Search"],
        files={"train": ["qrels.train.tsv"]},
        labels={"relevance": {"1": "relevant"}},
        options={"queries": {"qrels.train.tsv": "train.query.txt"}},
    )
    (record,), counts = take(tmp_path, dataset)
    assert record.query == "red cap" and record.results == (("cap, red", "relevant"), ("cap", "relevant"))
    assert counts.read == 2


def test_a_bilingual_file_tells_its_languages_apart(tmp_path: Path) -> None:
    put(tmp_path, "text,label\n好的,1\nfine,1\n")
    dataset = declare(
        "csv",
        ["LabelledText"],
        language="mul",
        columns={"text": "text", "sentiment": "label"},
        labels={"sentiment.zh": {"1": "正面"}, "sentiment": {"1": "positive"}},
    )
    records, _ = take(tmp_path, dataset)
    assert [(record.language, record.labels["sentiment"]) for record in records] == [
        ("zh", ("正面",)),
        ("en", ("positive",)),
    ]
    assert dataset.candidates("sentiment", "zh") == ["正面"] and dataset.candidates("sentiment", "en") == ["positive"]
