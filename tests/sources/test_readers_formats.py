"""Every format with the quirks that real files have, on invented rows."""

import json

import pytest
from readers_help import declare, put, take

from ecomgpt.sources.readers.attributes import tagged_entities
from ecomgpt.sources.readers.pairs import web_text
from ecomgpt.sources.readers.pseudo_json import parse_pseudo_json
from ecomgpt.sources.records import Aspect, Entity

SENTIMENT = {"sentiment": {"1": "positive", "0": "negative"}}


def test_csv_with_bom_crlf_and_line_feeds_in_quotes(tmp_path):
    put(tmp_path, b'\xef\xbb\xbftext,label\r\n"Good,\r\nreally ""good""",1\r\nBad,0\r\n')
    dataset = declare("csv", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=SENTIMENT)
    records, counts = take(tmp_path, dataset)
    assert [record.text for record in records] == ['Good,\nreally "good"', "Bad"]
    assert [record.labels["sentiment"] for record in records] == [("positive",), ("negative",)]
    assert [record.id for record in records] == ["data:2", "data:4"]
    assert (counts.read, counts.kept) == (2, 2)


def test_lines_are_split_at_line_feeds_only(tmp_path):
    text = "one\u2028two\x85three\x0bfour"
    put(tmp_path, f"text,label\n{text},1\n")
    dataset = declare("csv", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=SENTIMENT)
    assert take(tmp_path, dataset)[0][0].text == text


def test_tabs_in_a_file_called_csv_without_header_and_with_lone_quotes(tmp_path):
    put(tmp_path, 'lamp 24" black\t1\n"mug\t0\n')
    dataset = declare(
        "csv", ["LabelledText"], columns={"text": "t", "sentiment": "l"}, labels=SENTIMENT,
        options={"delimiter": "\t", "header": ["t", "l"], "quotes": False},
    )  # fmt: skip
    assert [record.text for record in take(tmp_path, dataset)[0]] == ['lamp 24" black', '"mug']


def test_empty_texts_repeats_and_lost_characters_are_dropped_by_reason(tmp_path):
    put(tmp_path, "text,label\nfine,1\n  \ufeff ,1\nfine,1\nfine,0\nbr\ufffdken,0\n")
    dataset = declare("csv", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=SENTIMENT)
    records, counts = take(tmp_path, dataset)
    assert [(record.text, record.labels["sentiment"][0]) for record in records] == [
        ("fine", "positive"),
        ("fine", "negative"),
    ]
    assert len({record.group for record in records}) == 1
    assert counts.dropped == {
        "empty text": 1, "exact repeat": 1, "a character was lost in conversion (U+FFFD or a control character)": 1,
    }  # fmt: skip


def test_a_training_row_that_repeats_a_test_text_is_dropped_whatever_its_label(tmp_path):
    put(tmp_path, "text,label\nSame  text,1\nother,1\n", "train.csv")
    put(tmp_path, "text,label\nsame text,0\n", "test.csv")
    dataset = declare(
        "csv", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=SENTIMENT,
        files={"train": ["train.csv"], "test": ["test.csv"]},
    )  # fmt: skip
    records, counts = take(tmp_path, dataset)
    assert [(record.split, record.text) for record in records] == [("test", "same text"), ("train", "other")]
    assert counts.dropped == {"its text or product is in the test split": 1}


def test_a_training_pair_on_a_product_of_the_test_split_is_dropped(tmp_path):
    put(tmp_path, "COL title VAL red shoe\tCOL title VAL shoe, red\t1\n", "test.txt")
    put(
        tmp_path,
        "COL title VAL red  shoe\tCOL title VAL blue shoe\t0\nCOL title VAL shoe, red\tCOL title VAL red shoe\t1\n"
        "COL title VAL green shoe\tCOL title VAL blue shoe\t0\n",
        "train.txt",
    )
    dataset = declare(
        "ditto", ["TextPair"], labels={"relation": {"1": "same", "0": "different"}},
        files={"train": ["train.txt"], "test": ["test.txt"]},
    )  # fmt: skip
    records, counts = take(tmp_path, dataset)
    assert [(record.split, record.left) for record in records] == [("test", "red shoe"), ("train", "green shoe")]
    assert counts.dropped == {"its text or product is in the test split": 2}


def test_rows_are_dropped_and_kept_as_declared(tmp_path):
    put(tmp_path, "text,label,lang\na,1,en\nb,9,en\nc,1,fr\nd <UNK>,1,en\n")
    dataset = declare(
        "csv", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=SENTIMENT,
        options={"drop": {"label": {"9": "no label"}}, "keep": {"lang": ["en"]}, "drop_marks": {"<UNK>": "lost word"}},
    )  # fmt: skip
    records, counts = take(tmp_path, dataset)
    assert [record.text for record in records] == ["a"]
    assert counts.dropped == {"no label": 1, "'lang' is none of those kept": 1, "lost word": 1}


def test_paraphrases_of_a_template_share_a_group(tmp_path):
    put(tmp_path, "text,label\nI want to cancel order 12,1\ncan I cancel orders 7?,1\ntrack my order,1\n")
    dataset = declare(
        "csv", ["LabelledText"], columns={"text": "text", "sentiment": "label"}, labels=SENTIMENT,
        options={"template": ["i", "want", "to", "can", "my"]},
    )  # fmt: skip
    first, second, third = take(tmp_path, dataset)[0]
    assert first.group == second.group != third.group


def test_one_row_becomes_a_product_and_a_marked_text(tmp_path):
    row = {
        "input": "RedFox cap red",
        "category": "Caps",
        "scores": {"Brand": {"RedFox": 1}, "Color": {"red": 1}, "Size": {"n/a": 1}},
    }
    put(tmp_path, json.dumps(row) + "\n")
    dataset = declare(
        "jsonl", ["Product", "EntityText"], columns={"title": "input", "category": "category", "attributes": "scores"},
        options={"attributes": {"form": "scores"}, "absent": ["n/a"]},
    )  # fmt: skip
    (product, text), counts = take(tmp_path, dataset)
    assert product.attributes == (("Brand", "RedFox"), ("Color", "red"))
    assert product.category == ("Caps",)
    # "red" is found as a word of its own, not inside RedFox.
    assert text.entities == (Entity("Brand", 0, 6, "RedFox"), Entity("Color", 11, 14, "red"))
    assert product.id != text.id and product.group == text.group
    assert counts.left_out == {"attribute without a value": 1}
    assert counts.kept == 1


def test_answers_by_offsets_and_the_end_marker(tmp_path):
    context = "It lasts two days. NOANSWER"
    rows = [["long?", context, f"({a}, {b})"] for a, b in ((3, 17), (19, 27), (9, 27))]
    put(tmp_path, "q,c,a\n" + "".join(f'{q},{c},"{a}"\n' for q, c, a in rows))
    dataset = declare(
        "csv", ["Question"], columns={"question": "q", "context": "c", "answers": "a"},
        options={"span": True, "marker": "NOANSWER"},
    )  # fmt: skip
    records, counts = take(tmp_path, dataset)
    assert [record.answers for record in records] == [("lasts two days",), (), ("two days.",)]
    assert {record.context for record in records} == {"It lasts two days."}
    assert [record.extractive for record in records] == [True, False, True]
    assert counts.left_out == {"answer that ran into the end marker, cut there": 1}


def test_conll_in_crlf_with_chinese_labels(tmp_path):
    put(tmp_path, "红 B-HCCX\r\n帽 I-HCCX\r\n乐 I-HPPX\r\n/ O\r\n\r\n\r\n好 O\r\n")
    dataset = declare("conll", ["EntityText"], language="zh", labels={"entity": {"HCCX": "商品", "HPPX": "品牌"}})
    records, counts = take(tmp_path, dataset)
    assert records[0].text == "红帽乐/"
    # An I- tag of another type begins an entity of its own.
    assert records[0].entities == (Entity("商品", 0, 2, "红帽"), Entity("品牌", 2, 3, "乐"))
    assert records[1].entities == ()
    assert counts.read == 2


def test_conll_words_are_joined_with_blanks(tmp_path):
    put(tmp_path, "Acme\tB-BRAND\nHome\tI-BRAND\nlamp\tO\n")
    (record,), _ = take(tmp_path, declare("conll", ["EntityText"]))
    assert record.text == "Acme Home lamp"
    assert record.entities == (Entity("BRAND", 0, 9, "Acme Home"),)


SEMEVAL14 = """<?xml version="1.0" encoding="UTF-8"?>
<sentences>
  <sentence id="1"><text>The fan &amp; the lid work.</text><aspectTerms>
    <aspectTerm term="fan" polarity="positive" from="4" to="7"/>
    <aspectTerm term="lid" polarity="conflict" from="14" to="17"/></aspectTerms>
    <aspectCategories><aspectCategory category="quality" polarity="positive"/></aspectCategories></sentence>
  <sentence><text>Nothing here.</text></sentence>
  <sentence id="3"><text>A fan.</text><aspectTerms><aspectTerm term="fan" from="2" to="5"/></aspectTerms></sentence>
</sentences>"""


def test_semeval14(tmp_path):
    put(tmp_path, SEMEVAL14)
    labels = {"polarity": {"positive": "good", "conflict": "mixed"}}
    records, counts = take(tmp_path, declare("semeval14", ["Review"], labels=labels))
    assert records[0].text == "The fan & the lid work."
    assert records[0].aspects == (
        Aspect("good", "fan", "", 4, 7), Aspect("mixed", "lid", "", 14, 17), Aspect("good", category="quality"),
    )  # fmt: skip
    assert records[1].aspects == ()
    assert counts.dropped == {"aspects without polarity": 1}


SEMEVAL15 = """<Reviews>\r
<Review rid="a"><sentences>\r
<sentence id="a:0"><text>The soup was cold.</text><Opinions>\r
<Opinion target="soup" category="FOOD#QUALITY" polarity="negative" from="4" to="8"/>\r
<Opinion target="NULL" category="SERVICE#GENERAL" polarity="negative" from="0" to="0"/>\r
<Opinion category="SERVICE#GENERAL" polarity="negative"/></Opinions></sentence>\r
<sentence id="a:1" OutOfScope="TRUE"><text>I walked home.</text></sentence>\r
</sentences></Review>\r
</Reviews>"""


def test_semeval15(tmp_path):
    put(tmp_path, SEMEVAL15)
    labels = {"category": {"FOOD#QUALITY": "food: quality", "SERVICE#GENERAL": "service: general"}}
    records, counts = take(tmp_path, declare("semeval15", ["Review"], labels=labels))
    assert records[0].aspects == (
        Aspect("negative", "soup", "food: quality", 4, 8), Aspect("negative", category="service: general"),
    )  # fmt: skip
    assert counts.dropped == {"out of scope, so its authors marked no opinions": 1}


def test_triples_are_joined_by_sentence(tmp_path):
    put(
        tmp_path,
        "$T$ is fine, screen is dark\nsound\nPositive\n"
        "other $T$\nlamp\nNegative\n"
        "sound is fine, $T$ is dark\nscreen\nNegative\n",
    )  # fmt: skip
    records, counts = take(tmp_path, declare("triples", ["Review"]))
    assert [record.text for record in records] == ["sound is fine, screen is dark", "other lamp"]
    assert records[0].aspects == (Aspect("Positive", "sound", "", 0, 5), Aspect("Negative", "screen", "", 15, 21))
    assert (counts.read, counts.kept) == (3, 3)


def test_triples_that_hold_the_placeholder_twice(tmp_path):
    twice = "my $T$ and your $T$\ntv\n"
    put(tmp_path, f"{twice}Positive\n{twice}Negative\n{twice}Negative\na $T$\ntv\nPositive\na $T$\ntv\nNegative\n")
    records, counts = take(tmp_path, declare("triples", ["Review"]))
    # Three rows for two places contradict each other, and so do two rows for one.
    assert records == []
    assert counts.dropped == {"contradicting polarities of one aspect": 5}
    put(tmp_path, f"{twice}Positive\n{twice}Negative\nb $T$\ntv\nPositive\nb $T$\ntv\nPositive\n")
    records, counts = take(tmp_path, declare("triples", ["Review"]))
    assert [(aspect.start, aspect.polarity) for aspect in records[0].aspects] == [(3, "Positive"), (15, "Negative")]
    assert counts.dropped == {"exact repeat": 1}


def test_spaced_chinese_triples(tmp_path):
    put(tmp_path, "这 个 $T$ 很 清 楚\n屏 幕\nPositive\n")
    (record,), _ = take(tmp_path, declare("triples", ["Review"], language="zh", options={"spaced": True}))
    assert record.text == "这个屏幕很清楚"
    assert record.aspects == (Aspect("Positive", "屏幕", "", 2, 4),)


def test_ditto_pairs_name_the_columns_and_know_dirty_copies(tmp_path):
    put(
        tmp_path,
        "COL title VAL red cap COL brand VAL fox COL price VAL  \tCOL title VAL blue cap COL brand VAL  COL price VAL 3\t0\n",
        "data1",
    )
    put(
        tmp_path,
        "COL title VAL red cap fox COL brand VAL  COL price VAL  \tCOL title VAL blue cap COL brand VAL  COL price VAL 3\t0\n",
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
def test_web_text(raw, clean):
    assert web_text(raw) == clean


def test_deepmatcher_table(tmp_path):
    put(tmp_path, "id,label,left_title,left_price,right_title,right_price\n0,1,cap,,red cap,3\n")
    (record,), _ = take(tmp_path, declare("deepmatcher", ["TextPair"], labels={"relation": {"1": "same"}}))
    assert (record.left, record.right, record.relation) == ("title: cap", "title: red cap; price: 3", "same")


def test_dialogues_as_objects_and_as_pairs(tmp_path):
    put(tmp_path, json.dumps([
        {"id": "Caps:1", "turns": [
            {"who": "Client", "said": "Hi\nthere", "intents": [["greet", 3.0], ["ask", 1.0]]},
            {"who": "Client", "said": " ", "intents": []},
        ]},
    ], indent=1))  # fmt: skip
    dataset = declare(
        "json", ["Dialogue"], labels={"speaker": {"Client": "Customer"}, "intent": {"greet": "greeting", "ask": "question"}},
        columns={"id": "id", "topic": "id", "turns": "turns", "turn.speaker": "who", "turn.text": "said", "turn.intent": "intents"},
        options={"min_score": 2, "extract": {"topic": "^([^:]+)"}},
    )  # fmt: skip
    (record,), counts = take(tmp_path, dataset)
    assert [(turn.speaker, turn.text, turn.labels) for turn in record.turns] == [
        ("Customer", "Hi\nthere", (("intent", ("greeting",)),)),
    ]  # fmt: skip
    assert record.labels == {"topic": ("Caps",)}
    assert counts.left_out == {"intent below the score of 2": 1, "turns without text": 1}
    put(tmp_path, json.dumps([{"id": 7, "scenario": {"flow": "returns"}, "original": [["agent", "Hello"]]}]))
    dataset.columns = {
        "id": "id", "flow": "scenario.flow", "turns": "original", "turn.speaker": "0", "turn.text": "1",
    }  # fmt: skip
    dataset.labels = {}
    (record,), _ = take(tmp_path, dataset)
    assert record.labels == {"flow": ("returns",)} and record.turns[0].speaker == "agent" and record.id == "data:7"


def test_dialogue_lines_and_searches_gather_neighbours(tmp_path):
    put(tmp_path, "1\t0\thi\n1\t1\thello\n1\t1\t \n2\t0\tbye\n")
    options = {"delimiter": "\t", "header": ["s", "w", "t"]}
    dataset = declare(
        "csv", ["Dialogue"], columns={"dialogue": "s", "speaker": "w", "text": "t"}, options=options,
        labels={"speaker": {"0": "Customer", "1": "Agent"}},
    )  # fmt: skip
    records, counts = take(tmp_path, dataset)
    assert [[(turn.speaker, turn.text) for turn in record.turns] for record in records] == [
        [("Customer", "hi"), ("Agent", "hello")], [("Customer", "bye")],
    ]  # fmt: skip
    assert counts.dropped == {"empty text": 1}
    put(tmp_path, "cap\tE\tred cap\ncap\tI\tlamp\nmug\tE\tmug\n")
    dataset = declare("csv", ["Search"], columns={"query": "s", "relevance": "w", "title": "t"}, options=options)
    records, _ = take(tmp_path, dataset)
    assert [(record.query, record.results) for record in records] == [
        ("cap", (("red cap", "E"), ("lamp", "I"))), ("mug", (("mug", "E"),)),
    ]  # fmt: skip


def test_aspect_columns_and_stars(tmp_path):
    put(tmp_path, b"\xef\xbb\xbfid,text,star,taste,price\n1,good,5.0,1,-2\n")
    dataset = declare(
        "csv", ["Review"], columns={"text": "text", "rating": "star", "aspects": "taste"}, options={"absent": ["-2"]},
        labels={"category": {"taste": "Taste", "price": "Price"}, "polarity": {"1": "positive"}},
    )  # fmt: skip
    (record,), _ = take(tmp_path, dataset)
    assert record.rating == 5
    assert record.aspects == (Aspect("positive", category="Taste"),)


def test_products_that_share_a_title_are_joined_over_clusters(tmp_path):
    put(tmp_path, "cap red,1\ncap,1\nCAP ,2\ncap blue,2\nlamp,3\n")
    dataset = declare(
        "csv", ["Product"], columns={"title": "t", "cluster": "c"}, options={"header": ["t", "c"], "connect": True}
    )
    groups = [record.group for record in take(tmp_path, dataset)[0]]
    assert len(set(groups[:4])) == 1 and groups[4] != groups[0]


def test_written_attributes_become_a_source(tmp_path):
    put(tmp_path, json.dumps({"content": "类型#裙*颜色#红色", "summary": "红色的裙"}, ensure_ascii=False) + "\n")
    dataset = declare(
        "jsonl", ["Transfer", "Product"], language="zh", options={"attributes": {"form": "pairs"}},
        columns={"source": "content", "target": "summary", "attributes": "content", "description": "summary"},
    )  # fmt: skip
    transfer, product = take(tmp_path, dataset)[0]
    assert (transfer.source, transfer.target) == ("类型：裙；颜色：红色", "红色的裙")
    assert product.attributes == (("类型", "裙"), ("颜色", "红色")) and product.description == "红色的裙"


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ('brand: { value:"ACME" }', [("brand", "ACME")]),
        ('item_type:  { value:"a" }; { value:\'b, c\' }', [("item type", "a"), ("item type", "b, c")]),
        ("w: { unit:kilograms, normalized_value:{ unit:pounds, value:77 }, value:35. }", [("w", "35 kilograms (77 pounds)")]),
        ('strap: { depth:[ { unit:feet, string_value:"7.2 feet", decimal_value:7.2 } ] }', [("strap depth", "7.2 feet")]),
        (r'fits: { value:"easel (9\")" }', [("fits", 'easel (9")')]),
        ('size: { value:"7”-9”" }', [("size", "7”-9”")]),
        ("lining: { }", []),
    ],
)  # fmt: skip
def test_pseudo_json(text, pairs):
    assert parse_pseudo_json(text) == pairs


def test_mave_and_inline_tags(tmp_path):
    row = {
        "id": "p1", "category": "Caps", "paragraphs": [{"text": "Red cap", "source": "title"}, {"text": "Wool", "source": "d"}],
        "attributes": [
            {"key": "Color", "evidences": [{"value": "Red", "pid": 0, "begin": 0, "end": 3}]},
            {"key": "Material", "evidences": [{"value": "Wool", "pid": 1, "begin": 0, "end": 4}]},
        ],
    }  # fmt: skip
    put(tmp_path, json.dumps(row) + "\n")
    columns = {"id": "id", "text": "paragraphs", "attributes": "attributes"}
    (record,), counts = take(tmp_path, declare("jsonl", ["EntityText"], columns=columns, options={"paragraphs": True}))
    assert record.entities == (Entity("Color", 0, 3, "Red"),)
    assert counts.left_out == {"attribute value outside the title": 1}
    assert tagged_entities("<a>x</a>y<b>z</b>") == ("xyz", (Entity("a", 0, 1, "x"), Entity("b", 2, 3, "z")))


def test_retrieval_collection(tmp_path):
    put(tmp_path, "q1\t0\tp2\t1\nq1\t0\tp1\t1\n", "qrels.train.tsv")
    put(tmp_path, "q1\tred cap\nq2\tunused\n", "train.query.txt")
    put(tmp_path, "p1\tcap\np2\tcap, red\np3\tlamp\n", "corpus.tsv")
    dataset = declare(
        "retrieval", ["Search"], files={"train": ["qrels.train.tsv"]}, labels={"relevance": {"1": "relevant"}},
        options={"queries": {"qrels.train.tsv": "train.query.txt"}},
    )  # fmt: skip
    (record,), counts = take(tmp_path, dataset)
    assert record.query == "red cap" and record.results == (("cap, red", "relevant"), ("cap", "relevant"))
    assert counts.read == 2


def test_a_bilingual_file_tells_its_languages_apart(tmp_path):
    put(tmp_path, "text,label\n好的,1\nfine,1\n")
    dataset = declare(
        "csv", ["LabelledText"], language="mul", columns={"text": "text", "sentiment": "label"},
        labels={"sentiment.zh": {"1": "正面"}, "sentiment": {"1": "positive"}},
    )  # fmt: skip
    records, _ = take(tmp_path, dataset)
    assert [(record.language, record.labels["sentiment"]) for record in records] == [
        ("zh", ("正面",)),
        ("en", ("positive",)),
    ]
    assert dataset.candidates("sentiment", "zh") == ["正面"] and dataset.candidates("sentiment", "en") == ["positive"]
