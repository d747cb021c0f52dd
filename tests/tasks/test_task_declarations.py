"""Every shipped declaration holds; every wrong one is told with its file and what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
from task_strategies import dataset

from ecomgpt.common.errors import UserError
from ecomgpt.sources.families import FAMILIES
from ecomgpt.tasks import chain
from ecomgpt.tasks.declaration import SLOT, applies, load_tasks

TASKS = load_tasks()

GOOD = """
name: mood
family: sentiment_classification
record: LabelledText
build: labelled.classify
definition: mood
form: label
options: {axis: sentiment}
instructions:
  en: ["One {candidates}", "Two {candidates}", "Three {candidates}"]
  zh: ["一{candidates}", "二{candidates}", "三{candidates}"]
"""


def write(folder: Path, text: str, name: str = "mood") -> str:
    path = folder / "tasks" / "own" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(folder)


def test_every_family_is_served() -> None:
    served = {family for task in TASKS for family in (task.family, *task.serves)}
    assert served == set(FAMILIES)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_wordings(task: Any) -> None:
    for language, wordings in task.instructions.items():
        assert len(set(wordings)) == len(wordings) >= 3
        slots = [set(SLOT.findall(wording)) for wording in wordings]
        assert "{" not in re.sub(SLOT, "", "".join(wordings))
        # Every wording of a question must tell what is asked for.
        assert all(found >= set.intersection(*slots) for found in slots)
        chinese = [re.search("[\u4e00-\u9fff]", wording) is not None for wording in wordings]
        assert all(chinese) if language == "zh" else not any(chinese)
    assert (task.form in ("labels", "typed_spans")) <= task.shows_candidates
    assert set(task.candidates) in (set(), {"en", "zh"}) and set(task.constraint) in (set(), {"en", "zh"})


def test_an_own_task_is_loaded(tmp_path: Path) -> None:
    found = load_tasks(["mood"], write(tmp_path, GOOD))
    assert [task.name for task in found] == ["mood"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("family: sentiment", "family: sentimant", r"mood.yaml:3: 'family'.*did you mean 'sentiment_classification'"),
        ("record: LabelledText", "record: LabeledText", r"mood.yaml:4: .*did you mean 'LabelledText'"),
        ("labelled.classify", "labelled.clasify", r"mood.yaml: .*did you mean 'classify'"),
        (
            "labelled.classify",
            "labeled.classify",
            r"mood.yaml: .*'labeled', which is no module of ecomgpt.tasks.builders",
        ),
        ("form: label", "form: lable", r"mood.yaml:7: 'form'"),
        (', "Three {candidates}"]', "]", r"mood.yaml: 'instructions.en' holds 2 wordings"),
        ("Three {candidates}", "Three", "all of them or none"),
        ("name: mood", "name: moods", "the file is called 'mood'"),
        ("form: label", "form: label\nserves: [review_topic]", "a raw task"),
        ("form: label", "form: label\nkind: atomic\noperation: reversal", "names the families it serves"),
        ("form: label", "form: label\nkind: atomic\nserves: [review_topic]", "names its operation"),
        ("form: label", "from: label", "unknown key 'from'.*did you mean 'form'"),
        ("  zh:", "  cn:", r"mood.yaml:11: unknown key 'instructions.cn'"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, old: Any, new: Any, message: Any) -> None:
    assert old in GOOD
    with pytest.raises(UserError, match=message):
        load_tasks(None, write(tmp_path, GOOD.replace(old, new)))


def test_unknown_names_are_told() -> None:
    with pytest.raises(UserError, match="no task 'sentiment_of_txt'; did you mean 'sentiment_of_text'"):
        load_tasks(["sentiment_of_txt"])


def test_a_task_applies_where_kind_and_axes_are_there() -> None:
    task = next(task for task in TASKS if task.name == "sentiment_of_text")
    axes = {"sentiment": {"1": "good"}}
    assert applies(task, dataset(labels=axes))
    assert applies(task, dataset(labels={"sentiment.zh": {"1": "好"}}))
    assert not applies(task, dataset(labels={"category": {"1": "good"}}))
    assert not applies(task, dataset(labels=axes, records=["Product"]))


def test_who_labelled_decides() -> None:
    pseudo = next(task for task in TASKS if task.label == "pseudo")
    golden = next(task for task in TASKS if task.label == "golden" and task.record == pseudo.record)
    for option, expected in ((None, (False, True)), ("also", (True, True)), ("only", (True, False))):
        source = dataset(options={"pseudo": option} if option else {})
        assert (applies(pseudo, source), applies(golden, source)) == expected


def test_the_chain() -> None:
    assert {family for task in TASKS for family in (*task.serves, task.family)} == set(FAMILIES)
    assert {chain.sort_of(task) for task in TASKS} == set(chain.SORTS)


def test_the_page_of_tasks_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "tasks.md"
    assert page.read_text(encoding="utf-8") == chain.as_markdown(TASKS), "run `just docs`"
