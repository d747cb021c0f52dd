"""Tables of texts and labels with the quirks that real files have, on invented rows."""

import json
from pathlib import Path

from readers_help import declare, put, take

from ecomgpt.sources.records import Entity

SENTIMENT = {"sentiment": {"1": "positive", "0": "negative"}}


def test_csv_with_bom_crlf_and_line_feeds_in_quotes(tmp_path: Path) -> None:
    put(tmp_path, b'\xef\xbb\xbftext,label\r\n"Good,\r\nreally ""good""",1\r\nBad,0\r\n')
    dataset = declare("csv", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=SENTIMENT)
    records, counts = take(tmp_path, dataset)
    assert [record.text for record in records] == ['Good,\nreally "good"', "Bad"]
    assert [record.labels["sentiment"] for record in records] == [("positive",), ("negative",)]
    assert [record.id for record in records] == ["data:2", "data:4"]
    assert (counts.read, counts.kept) == (2, 2)


def test_lines_are_split_at_line_feeds_only(tmp_path: Path) -> None:
    text = "one\u2028two\x85three\x0bfour"
    put(tmp_path, f"text,label\n{text},1\n")
    dataset = declare("csv", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=SENTIMENT)
    assert take(tmp_path, dataset)[0][0].text == text


def test_tabs_in_a_file_called_csv_without_header_and_with_lone_quotes(tmp_path: Path) -> None:
    put(tmp_path, 'lamp 24" black\t1\n"mug\t0\n')
    dataset = declare(
        "csv",
        ["LabelledText"],
        columns={"text": "t", "sentiment": "l"},
        labels=SENTIMENT,
        options={"delimiter": "\t", "header": ["t", "l"], "quotes": False},
    )
    assert [record.text for record in take(tmp_path, dataset)[0]] == ['lamp 24" black', '"mug']


def test_empty_texts_repeats_and_lost_characters_are_dropped_by_reason(tmp_path: Path) -> None:
    put(tmp_path, "text,label\nfine,1\n  \ufeff ,1\nfine,1\nfine,0\nbr\ufffdken,0\n")
    dataset = declare("csv", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=SENTIMENT)
    records, counts = take(tmp_path, dataset)
    assert [(record.text, record.labels["sentiment"][0]) for record in records] == [
        ("fine", "positive"),
        ("fine", "negative"),
    ]
    assert len({record.group for record in records}) == 1
    assert counts.dropped == {
        "empty text": 1,
        "exact repeat": 1,
        "a character was lost in conversion (U+FFFD or a control character)": 1,
    }


def test_a_training_row_that_repeats_a_test_text_is_dropped_whatever_its_label(tmp_path: Path) -> None:
    put(tmp_path, "text,label\nSame  text,1\nother,1\n", "train.csv")
    put(tmp_path, "text,label\nsame text,0\n", "test.csv")
    dataset = declare(
        "csv",
        ["LabelledText"],
        columns={"text": "text", "sentiment": "label"},
        labels=SENTIMENT,
        files={"train": ["train.csv"], "test": ["test.csv"]},
    )
    records, counts = take(tmp_path, dataset)
    assert [(record.split, record.text) for record in records] == [("test", "same text"), ("train", "other")]
    assert counts.dropped == {"its text or product is in the test split": 1}


def test_a_training_pair_on_a_product_of_the_test_split_is_dropped(tmp_path: Path) -> None:
    put(tmp_path, "COL title VAL red shoe\tCOL title VAL shoe, red\t1\n", "test.txt")
    put(
        tmp_path,
        "COL title VAL red  shoe\tCOL title VAL blue shoe\t0\nCOL title VAL shoe, red\tCOL title VAL red shoe\t1\n"
        "COL title VAL green shoe\tCOL title VAL blue shoe\t0\n",
        "train.txt",
    )
    dataset = declare(
        "ditto",
        ["TextPair"],
        labels={"relation": {"1": "same", "0": "different"}},
        files={"train": ["train.txt"], "test": ["test.txt"]},
    )
    records, counts = take(tmp_path, dataset)
    assert [(record.split, record.left) for record in records] == [("test", "red shoe"), ("train", "green shoe")]
    assert counts.dropped == {"its text or product is in the test split": 2}


def test_rows_are_dropped_and_kept_as_declared(tmp_path: Path) -> None:
    put(tmp_path, "text,label,lang\na,1,en\nb,9,en\nc,1,fr\nd <UNK>,1,en\n")
    dataset = declare(
        "csv",
        ["LabelledText"],
        columns={"text": "text", "sentiment": "label"},
        labels=SENTIMENT,
        options={"drop": {"label": {"9": "no label"}}, "keep": {"lang": ["en"]}, "drop_marks": {"<UNK>": "lost word"}},
    )
    records, counts = take(tmp_path, dataset)
    assert [record.text for record in records] == ["a"]
    assert counts.dropped == {"no label": 1, "'lang' is none of those kept": 1, "lost word": 1}


def test_paraphrases_of_a_template_share_a_group(tmp_path: Path) -> None:
    put(tmp_path, "text,label\nI want to cancel order 12,1\ncan I cancel orders 7?,1\ntrack my order,1\n")
    dataset = declare(
        "csv",
        ["LabelledText"],
        columns={"text": "text", "sentiment": "label"},
        labels=SENTIMENT,
        options={"template": ["i", "want", "to", "can", "my"]},
    )
    first, second, third = take(tmp_path, dataset)[0]
    assert first.group == second.group != third.group


def test_one_row_becomes_a_product_and_a_marked_text(tmp_path: Path) -> None:
    row = {
        "input": "RedFox cap red",
        "category": "Caps",
        "scores": {"Brand": {"RedFox": 1}, "Color": {"red": 1}, "Size": {"n/a": 1}},
    }
    put(tmp_path, json.dumps(row) + "\n")
    dataset = declare(
        "jsonl",
        ["Product", "EntityText"],
        columns={"title": "input", "category": "category", "attributes": "scores"},
        options={"attributes": {"form": "scores"}, "absent": ["n/a"]},
    )
    (product, text), counts = take(tmp_path, dataset)
    assert product.attributes == (("Brand", "RedFox"), ("Color", "red"))
    assert product.category == ("Caps",)
    # "red" is found as a word of its own, not inside RedFox.
    assert text.entities == (Entity("Brand", 0, 6, "RedFox"), Entity("Color", 11, 14, "red"))
    assert product.id != text.id and product.group == text.group
    assert counts.left_out == {"attribute without a value": 1}
    assert counts.kept == 1
