"""The catalogue: shipped declarations, their errors, the user's own files, the documentation's worked example."""

import re
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from readers_help import declare, put, take

from ecomgpt.common.errors import UserError
from ecomgpt.config.roots import declarations
from ecomgpt.sources.catalog import load_catalog, locate, read
from ecomgpt.sources.groups import Groups
from ecomgpt.sources.keep import ReadCounts
from ecomgpt.sources.readers import COMMON_OPTIONS, READERS, options, reader

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "adding-a-dataset.md"
SHIPPED = declarations("sources/datasets")


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_shipped_declarations(path: Any) -> None:
    (dataset,) = load_catalog([path.stem])
    assert dataset.path == str(path)
    assert dataset.obtain.endswith(".") and dataset.title and dataset.licence and dataset.citation and dataset.homepage
    assert callable(reader(dataset.reader))
    for names in dataset.labels.values():
        assert all(isinstance(raw, str) and shown for raw, shown in names.items())
    if "TextPair" in dataset.records:
        assert len(dataset.sides) == 2
    assert all(isinstance(word, str) for word in dataset.options.get("template", []))
    first = path.read_text(encoding="utf-8").split("\n")[0]
    assert first.startswith("# python -m ecomgpt ")


def test_the_well_known_datasets_are_there() -> None:
    names = {dataset.name for dataset in load_catalog()}
    assert {"esci", "amazonqa", "ecinstruct", "mave", "jddc", "mepave", "multi_cpr_ecom", "xpqa"} <= names


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        load_catalog(["waimai", "ae110k", "mams"])
    assert caught.value.problems == (
        "there is no dataset 'waimai'; did you mean 'waimai_10k'?",
        "there is no dataset 'mams'; did you mean 'mams_absa'?",
    )


def test_all_problems_of_all_files_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "sources" / "datasets"
    folder.mkdir(parents=True)
    good = (SHIPPED[0].parent / "waimai_10k.yaml").read_text(encoding="utf-8").replace("name: waimai_10k", "name: mine")
    (folder / "a.yaml").write_text(
        good.replace("reader: csv", "reader: cvs").replace("[LabelledText]", "[LabeledText]")
    )
    broken = good.replace('{"": [', "{trian: [").replace("options: {conflicts: drop}", "options: {delimeter: x}")
    (folder / "b.yaml").write_text(broken)
    (folder / "c.yaml").write_text(good.replace("licence:", "license:").replace("family: sent", "family: semt"))
    with pytest.raises(UserError) as caught:
        load_catalog(None, str(tmp_path))
    text = "\n".join(caught.value.problems)
    for words in (
        "'cvs' is unknown; did you mean 'csv'?",
        "no record kind 'LabeledText'; did you mean 'LabelledText'?",
        "'trian' is no split; did you mean 'train'?",
        "has no option 'delimeter'; did you mean 'delimiter'?",
        "unknown key 'license'; did you mean 'licence'?",
        "c.yaml:10: 'family' is 'semtiment_classification'; did you mean 'sentiment_classification'?",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("text: review", "txt: review", "'columns' fills 'txt', which no record has; did you mean 'text'?"),
        (
            "sentiment: score",
            "sentimnt: score",
            "'columns' fills 'sentimnt', which no record has; did you mean 'sentiment'?",
        ),
        ("  sentiment: {", "  sentimnt: {", "'labels' names 'sentimnt', which is no axis; did you mean 'sentiment'?"),
        ("  sentiment: {", "  sentiment.fr: {", "'fr' is no language"),
        ('delimiter: "\\t"', "delimiter: '||'", "'options.delimiter' is '||', expected one character"),
        ("drop: {author: {shop: the shop's own answer}}", "drop: {author: shop}", "expected {column: {value: reason}}"),
        ("drop: {author: {shop: the shop's own answer}}", "keep: {author: guest}", "expected {column: [values]}"),
        ("drop: {author: {shop: the shop's own answer}}", "absent: n/a", "'options.absent' is 'n/a', expected a list"),
        ("drop: {author: {shop: the shop's own answer}}", "extract: {text: '('}", "expected patterns with one group"),
        (
            "drop: {author: {shop: the shop's own answer}}",
            "encoding: latin9x",
            "'options.encoding' is 'latin9x', which is no encoding",
        ),
    ],
)
def test_what_would_silently_be_ignored_is_refused(tmp_path: Path, old: Any, new: Any, words: Any) -> None:
    declaration = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)[0]
    assert old in declaration
    folder = tmp_path / "sources" / "datasets"
    folder.mkdir(parents=True)
    (folder / "tea.yaml").write_text(declaration.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_catalog(None, str(tmp_path))
    (problem,) = caught.value.problems
    assert problem.startswith(f"{folder / 'tea.yaml'}: ") and words in problem


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "sources" / "datasets"
    folder.mkdir(parents=True)
    shipped = (
        (SHIPPED[0].parent / "waimai_10k.yaml").read_text(encoding="utf-8").replace("name: waimai_10k", "name: mine")
    )
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text(shipped, encoding="utf-8")
    with pytest.raises(UserError, match=r"b\.yaml: the name 'mine' is also that of .*a\.yaml"):
        load_catalog(None, str(tmp_path))


def test_the_users_own_file_comes_before_the_shipped_one(tmp_path: Path) -> None:
    folder = tmp_path / "sources" / "datasets"
    folder.mkdir(parents=True)
    shipped = (SHIPPED[0].parent / "waimai_10k.yaml").read_text(encoding="utf-8")
    (folder / "mine.yaml").write_text(re.sub(r"title: .*", "title: Mine", shipped), encoding="utf-8")
    assert load_catalog(["waimai_10k"], str(tmp_path))[0].title == "Mine"


def test_unquoted_labels_are_text(tmp_path: Path) -> None:
    put(tmp_path, "text,label\nfine,1\n")
    columns = {"text": "text", "sentiment": "label"}
    dataset = declare("csv", ["LabelledText"], columns=columns, labels={"sentiment": {1: "good", False: "bad"}})
    assert dataset.labels == {"sentiment": {"1": "good", "False": "bad"}}
    assert take(tmp_path, dataset)[0][0].labels == {"sentiment": ("good",)}


def test_files_are_found_in_reading_order_and_once(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "test.csv"):
        put(tmp_path, "text\nx\n", name)
    dataset = declare("csv", ["LabelledText"], files={"": ["*.csv"], "train": ["a.csv", "b.csv"], "test": ["test.csv"]})
    assert [(split, path.name) for split, path in locate(dataset, tmp_path)] == [
        ("test", "test.csv"),
        ("train", "a.csv"),
        ("train", "b.csv"),
    ]


def test_groups_do_not_depend_on_the_order() -> None:
    pairs = [("a", "x"), ("b", "x"), ("c", "y"), ("d", "c")]
    one, other = Groups(), Groups()
    for pair in pairs:
        one.tie(*pair)
    for pair in reversed(pairs):
        other.tie(*reversed(pair))
    assert [one.name(name) for name in "abcd"] == [other.name(name) for name in "abcd"]
    assert len({one.name(name) for name in "abcd"}) == 2


@pytest.mark.parametrize("name", [name for name in READERS if name != "demo"])
def test_readers_say_what_their_options_mean(name: str) -> None:
    assert callable(reader(name))
    assert set(COMMON_OPTIONS) <= set(options(name))
    assert all(options(name).values())


def test_listing_the_catalogue_pulls_nothing_heavy() -> None:
    code = (
        "import sys; from ecomgpt.sources.catalog import load_catalog; load_catalog(); "
        "print([name for name in ('torch', 'datasets', 'pyarrow', 'transformers', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=DOCUMENT.parents[1]
    )
    assert done.stdout.strip() == "[]"


def test_repeats_can_be_kept(tmp_path: Path) -> None:
    put(tmp_path, "text\nsame\nsame\n")
    dataset = declare("csv", ["LabelledText"], columns={"text": "text"}, options={"repeats": "keep"})
    assert len(take(tmp_path, dataset)[0]) == 2


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    columns, peaks = {"text": "text"}, []
    dataset = declare("csv", ["LabelledText"], columns=columns, options={"repeats": "keep"})
    for rows in (2_000, 20_000):
        put(tmp_path, "text\n" + "".join(f"review number {row}\n" for row in range(rows)))
        tracemalloc.start()
        assert sum(1 for _ in read(dataset, tmp_path, ReadCounts())) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000


def test_the_worked_example_of_the_documentation(tmp_path: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    declaration = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0]
    content = re.findall(r"```text\n(.*?)```", text, re.DOTALL)[0]
    assert len(declaration.strip().split("\n")) <= 20
    folder = tmp_path / "conf" / "sources" / "datasets"
    folder.mkdir(parents=True)
    (folder / "tea_reviews.yaml").write_text(declaration, encoding="utf-8")
    (dataset,) = load_catalog(["tea_reviews"], str(tmp_path / "conf"))
    path = tmp_path / "raw" / "tea_reviews" / "tea.tsv"
    path.parent.mkdir(parents=True)
    path.write_text(content, encoding="utf-8")
    records, counts = take(tmp_path, dataset)
    assert [(record.text, record.labels) for record in records] == [
        ("Fresh and mild, I'd buy it again.", {"sentiment": ("positive",), "category": ("green tea",)}),
        ("Tastes of dust.", {"sentiment": ("negative",), "category": ("black tea",)}),
    ]
    assert counts.dropped == {"the shop's own answer": 1}
