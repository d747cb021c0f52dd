"""Copies of hub datasets, made here in the hub's own forms with the schemas of the catalogued ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from readers_help import declare, take

from ecomgpt.common.errors import UserError
from ecomgpt.sources.catalog import load_catalog, locate, missing, read
from ecomgpt.sources.keep import ReadCounts
from ecomgpt.sources.readers.hub import fetch

datasets = pytest.importorskip("datasets")

ROWS: dict[str, list[dict[str, Any]]] = {
    "esci": [
        {"query": "red cap", "product_title": "Cap, red", "esci_label": "Exact", "product_locale": "us"},
        {"query": "red cap", "product_title": "Mug", "esci_label": "Irrelevant", "product_locale": "us"},
        {"query": "gorra", "product_title": "Gorra", "esci_label": "Exact", "product_locale": "es"},
    ],
    "ecinstruct": [
        {
            "task": "Answer_Generation",
            "instruction": "Answer.",
            "input": "Is it red?",
            "output": "Yes.",
            "split": "train",
        },
        {"task": "Product_Matching", "instruction": "Match.", "input": "a, b", "output": "no", "split": "train"},
    ],
    "amazon_products_2023": [
        {
            "title": "Soft Soap, 3 Bars",
            "store": "Zorb",
            "description": ["Mild."],
            "parent_asin": "B1",
            "details": {"Scent": "Lemon", "Best Sellers Rank": {"Beauty": 12}, "Item Form": "Bar"},
            "main_category": "All Beauty",
        }
    ],
    "amazon_reviews_2023": [{"rating": 5.0, "title": "Nice", "text": "Soft and warm.", "parent_asin": "B1"}],
}


@pytest.fixture
def declared() -> Any:
    return {dataset.name: dataset for dataset in load_catalog()}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("form", ["parquet", "jsonl", "save_to_disk"])
def test_local_copies_of_catalogued_schemas(tmp_path: Path, declared: Any, name: str, form: Any) -> None:
    dataset = declared[name]
    folder = tmp_path / "raw" / name
    folder.mkdir(parents=True)
    table = datasets.Dataset.from_list(ROWS[name])
    split = "full" if "" in dataset.files else "train"
    if form == "parquet":
        table.to_parquet(str(folder / f"{split}.parquet"))
    elif form == "jsonl":
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[name]))
    else:
        table.save_to_disk(str(folder / split))
    records, counts = take(tmp_path, dataset)
    assert counts.read == len(ROWS[name])
    if name == "esci":
        assert records[0].results == (("Cap, red", "exact"), ("Mug", "irrelevant"))
        assert counts.dropped == {"'product_locale' is none of those kept": 1}
    if name == "ecinstruct":
        assert (records[0].source, records[0].target) == ("Is it red?", "Yes.")
    if name == "amazon_products_2023":
        assert records[0].attributes == (("Scent", "Lemon"), ("Item Form", "Bar")) and records[0].brand == "Zorb"
        assert records[0].description == "Mild."
    if name == "amazon_reviews_2023":
        assert records[0].rating == 5


WRITTEN = {
    "amazonqa": (
        "train-qar.jsonl",
        json.dumps(
            {
                "questionText": "Is it red?",
                "review_snippets": ["Nice red.", "Warm."],
                "is_answerable": 1,
                "asin": "B1",
                "answers": [{"answerText": "Yes", "answerType": "Y"}, {"answerText": "Yes"}],
            }
        )
        + "\n",
    ),
    "mave": (
        "mave.jsonl",
        json.dumps(
            {
                "id": "B1",
                "category": "Caps",
                "paragraphs": [{"text": "Red cap", "source": "title"}],
                "attributes": [{"key": "Color", "evidences": [{"value": "Red", "pid": 0, "begin": 0, "end": 3}]}],
            }
        )
        + "\n",
    ),
    "jddc": ("chat.txt", 's1\tu1\t0\t0\t0\t什么时候发货\ns1\tu1\t1\t0\t0\t今天"发"货\n'),
    "mepave": ("jdai.jave.fashion.train", "c1\ts1\t红色帽子\t<颜色>红色</颜色>帽子\n"),
    "xpqa": (
        "train.csv",
        'lang,question,ASIN,candidate,title,label\nzh,有多重？,B1,"weight: { value:""3"" }",Cap,2\nde,Wie?,B2,x,y,0\n',
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_registered_and_downloaded_schemas(tmp_path: Path, declared: Any, name: str) -> None:
    file, content = WRITTEN[name]
    path = tmp_path / "raw" / name / file
    path.parent.mkdir(parents=True)
    path.write_text(content, encoding="utf-8")
    (record,), _ = take(tmp_path, declared[name])
    if name == "amazonqa":
        assert record.answers == ("Yes",) and record.context == "Nice red.\nWarm." and record.relevance == "answers"
    if name in ("mave", "mepave"):
        assert [record.text[entity.start : entity.end] for entity in record.entities] == [
            "Red" if name == "mave" else "红色"
        ]
    if name == "jddc":
        assert [turn.speaker for turn in record.turns] == ["顾客", "客服"] and record.turns[1].text == '今天"发"货'
    if name == "xpqa":
        assert record.context == "weight：3" and record.relevance == "完全回答"


def test_what_is_absent_is_missing_and_says_how_to_get_it(tmp_path: Path, declared: Any) -> None:
    for name, dataset in declared.items():
        if dataset.reader == "demo":
            continue
        assert locate(dataset, tmp_path) == []
        line = missing(dataset, tmp_path)
        assert name in line and str(tmp_path) in line and dataset.obtain in line
        with pytest.raises(UserError, match="missing"):
            list(read(dataset, tmp_path, ReadCounts()))


def test_fetch_loads_through_datasets_and_is_then_read(tmp_path: Path) -> None:
    source = tmp_path / "there"
    source.mkdir()
    (source / "train.jsonl").write_text('{"text": "good", "label": "1"}\n')
    (source / "test.jsonl").write_text('{"text": "bad", "label": "0"}\n')
    dataset = declare(
        "hub",
        ["LabelledText"],
        hub=str(source),
        columns={"text": "text", "sentiment": "label"},
        files={"train": ["train.parquet"], "test": ["test.parquet"]},
    )
    written = fetch(dataset, tmp_path / "raw" / "shop")
    assert sorted(path.name for path in written) == ["test.parquet", "train.parquet"]
    records, _ = take(tmp_path, dataset)
    assert [(record.split, record.text) for record in records] == [("test", "bad"), ("train", "good")]


def test_fetch_takes_single_files(tmp_path: Path) -> None:
    (tmp_path / "reviews.jsonl").write_text('{"text": "good", "label": "1"}\n')
    dataset = declare(
        "hub",
        ["LabelledText"],
        hub="x/y",
        columns={"text": "text", "sentiment": "label"},
        files={"": ["full.parquet"]},
        options={"remote": {"full": str(tmp_path / "reviews.jsonl")}, "local": {"full": "full"}},
    )
    fetch(dataset, tmp_path / "raw" / "shop")
    assert [record.text for record in take(tmp_path, dataset)[0]] == ["good"]


def test_fetch_says_what_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = declare("hub", ["LabelledText"], hub="x/y", options={"download": False})
    with pytest.raises(UserError, match="cannot be fetched automatically"):
        fetch(closed, tmp_path)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: (_ for _ in ()).throw(ConnectionError("offline")))
    with pytest.raises(UserError, match="could not be fetched from the hub as 'x/y': offline"):
        fetch(declare("hub", ["LabelledText"], hub="x/y"), tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1 is cut", b"\x00" * 100])
def test_broken_copies(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "raw" / "shop" / "data.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"data\.parquet: cannot be read as a copy from the hub"):
        take(tmp_path, declare("hub", ["LabelledText"], columns={"text": "text"}))


def test_a_copy_without_the_column(tmp_path: Path) -> None:
    folder = tmp_path / "raw" / "shop"
    folder.mkdir(parents=True)
    datasets.Dataset.from_list([{"txt": "a"}]).to_parquet(str(folder / "data.parquet"))
    with pytest.raises(UserError, match=r"there is no column 'text' \(for 'text'\); did you mean 'txt'\?"):
        take(tmp_path, declare("hub", ["LabelledText"], columns={"text": "text"}))
