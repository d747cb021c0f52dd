"""The worked example of docs/adding-a-task.md does what the page says."""

import re
import sys
from pathlib import Path

import pytest
from task_strategies import dataset

from ecomgpt.common.errors import UserError
from ecomgpt.common.hashing import source_hash
from ecomgpt.data.fingerprint import own_code
from ecomgpt.sources.records import Product, Review
from ecomgpt.tasks.declaration import load_tasks
from ecomgpt.tasks.engine import TaskCounts, instructions

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-task.md"


@pytest.fixture
def examples() -> dict[str, str]:
    return dict(re.findall(r"```(yaml|python)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S))


def own(folder: Path, yaml: str, name: str) -> str:
    path = folder / "conf" / "tasks" / "rating_prediction" / f"{name}.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml, encoding="utf-8")
    return str(folder / "conf")


def digests(folder: Path) -> list[str]:
    return [source_hash(path) for path in own_code(str(folder / "conf"))]


def test_one_yaml_is_a_task(tmp_path: Path, examples: dict[str, str]) -> None:
    (task,) = load_tasks(["worth_buying"], own(tmp_path, examples["yaml"], "worth_buying"))
    reviews = [
        Review(id=str(stars), group=str(stars), language="en", text=f"{stars} stars", rating=stars)
        for stars in (1, 3, 5)
    ]
    counts: dict[str, TaskCounts] = {}
    rows = list(instructions(dataset(), reviews, [task], 0, counts))
    assert [row.target for row in rows] == ["no", "yes"]
    assert counts["toy.worth_buying"].dropped == {"three stars are neither high nor low": 1}
    assert rows[0].prompt.text.startswith("Below is an instruction that describes the purchase recommendation task.")


@pytest.mark.parametrize("module", ["my_shop.tasks", "my_shop"])
def test_an_own_function_is_a_task(
    module: str, tmp_path: Path, examples: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
    file.parent.mkdir(exist_ok=True)
    file.write_text(examples["python"], encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("my_shop", module):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yaml = (
        examples["yaml"]
        .replace("worth_buying", "longest")
        .replace("record: Review", "record: Product")
        .replace("reviews.satisfied", f"{module}.longest_word")
        .replace("form: label", "form: spans")
        .replace("{candidates}", "")
        .replace("candidates: yes_no\n", "")
    )
    (task,) = load_tasks(["longest"], own(tmp_path, yaml, "longest"))
    products = [Product(id=title, group=title, language="en", title=title) for title in ("Red Kettle", "Kettle")]
    counts: dict[str, TaskCounts] = {}
    assert [row.target for row in instructions(dataset(), products, [task], 0, counts)] == ["Kettle"]
    before = digests(tmp_path)
    file.write_text(examples["python"].replace("max(", "min("), encoding="utf-8")
    assert len(before) == 1 and digests(tmp_path) != before, "another function is another mixture"
    assert counts["toy.longest"].dropped == {"the title has only one word": 1}


def test_a_broken_task_of_ones_own_is_told_of_by_the_loader(tmp_path: Path, examples: dict[str, str]) -> None:
    folder = own(tmp_path, examples["yaml"].replace("reviews.satisfied", "no_such.module.f"), "worth_buying")
    Path(folder, "tasks", "broken.yaml").write_text("name: [", encoding="utf-8")
    assert own_code(folder) == []
    with pytest.raises(UserError, match=r"(?s)no_such\.module.*broken\.yaml|broken\.yaml.*no_such\.module"):
        load_tasks(None, folder)


def test_the_table_names_every_key_that_matters() -> None:
    keys = set(
        re.findall(
            r"`(\w+)`", "".join(line.split("|")[1] for line in PAGE.read_text().split("\n") if line.startswith("| `"))
        )
    )
    assert keys >= {
        "record",
        "needs",
        "build",
        "options",
        "form",
        "candidates",
        "instructions",
        "serves",
        "operation",
        "label",
    }
