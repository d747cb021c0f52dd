"""Texts with marked spans: offsets, CoNLL, SemEval, triples; on invented rows."""

from pathlib import Path

from readers_help import declare, put, take

from ecomgpt.sources.records import Aspect, Entity


def test_answers_by_offsets_and_the_end_marker(tmp_path: Path) -> None:
    context = "It lasts two days. NOANSWER"
    rows = [["long?", context, f"({a}, {b})"] for a, b in ((3, 17), (19, 27), (9, 27))]
    put(tmp_path, "q,c,a\n" + "".join(f'{q},{c},"{a}"\n' for q, c, a in rows))
    dataset = declare(
        "csv",
        ["Question"],
        columns={"question": "q", "context": "c", "answers": "a"},
        options={"span": True, "marker": "NOANSWER"},
    )
    records, counts = take(tmp_path, dataset)
    assert [record.answers for record in records] == [("lasts two days",), (), ("two days.",)]
    assert {record.context for record in records} == {"It lasts two days."}
    assert [record.extractive for record in records] == [True, False, True]
    assert counts.left_out == {"answer that ran into the end marker, cut there": 1}


def test_conll_in_crlf_with_chinese_labels(tmp_path: Path) -> None:
    put(tmp_path, "红 B-HCCX\r\n帽 I-HCCX\r\n乐 I-HPPX\r\n/ O\r\n\r\n\r\n好 O\r\n")
    dataset = declare("conll", ["EntityText"], language="zh", labels={"entity": {"HCCX": "商品", "HPPX": "品牌"}})
    records, counts = take(tmp_path, dataset)
    assert records[0].text == "红帽乐/"
    # An I- tag of another type begins an entity of its own.
    assert records[0].entities == (Entity("商品", 0, 2, "红帽"), Entity("品牌", 2, 3, "乐"))
    assert records[1].entities == ()
    assert counts.read == 2


def test_conll_words_are_joined_with_blanks(tmp_path: Path) -> None:
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


def test_semeval14(tmp_path: Path) -> None:
    put(tmp_path, SEMEVAL14)
    labels = {"polarity": {"positive": "good", "conflict": "mixed"}}
    records, counts = take(tmp_path, declare("semeval14", ["Review"], labels=labels))
    assert records[0].text == "The fan & the lid work."
    assert records[0].aspects == (
        Aspect("good", "fan", "", 4, 7),
        Aspect("mixed", "lid", "", 14, 17),
        Aspect("good", category="quality"),
    )
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


def test_semeval15(tmp_path: Path) -> None:
    put(tmp_path, SEMEVAL15)
    labels = {"category": {"FOOD#QUALITY": "food: quality", "SERVICE#GENERAL": "service: general"}}
    records, counts = take(tmp_path, declare("semeval15", ["Review"], labels=labels))
    assert records[0].aspects == (
        Aspect("negative", "soup", "food: quality", 4, 8),
        Aspect("negative", category="service: general"),
    )
    assert counts.dropped == {"out of scope, so its authors marked no opinions": 1}


def test_triples_are_joined_by_sentence(tmp_path: Path) -> None:
    put(
        tmp_path,
        "$T$ is fine, screen is dark\nsound\nPositive\n"
        "other $T$\nlamp\nNegative\n"
        "sound is fine, $T$ is dark\nscreen\nNegative\n",
    )
    records, counts = take(tmp_path, declare("triples", ["Review"]))
    assert [record.text for record in records] == ["sound is fine, screen is dark", "other lamp"]
    assert records[0].aspects == (Aspect("Positive", "sound", "", 0, 5), Aspect("Negative", "screen", "", 15, 21))
    assert (counts.read, counts.kept) == (3, 3)


def test_triples_that_hold_the_placeholder_twice(tmp_path: Path) -> None:
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


def test_spaced_chinese_triples(tmp_path: Path) -> None:
    put(tmp_path, "这 个 $T$ 很 清 楚\n屏 幕\nPositive\n")
    (record,), _ = take(tmp_path, declare("triples", ["Review"], language="zh", options={"spaced": True}))
    assert record.text == "这个屏幕很清楚"
    assert record.aspects == (Aspect("Positive", "屏幕", "", 2, 4),)
