"""Reading released folders, and perfect answers to them."""

import json
from pathlib import Path

import pytest

from ecomgpt.common.errors import UserError
from ecomgpt.config.declarations import load
from ecomgpt.config.roots import declarations, shipped
from ecomgpt.eval.metrics.tokens import tokens
from ecomgpt.eval.released import read_released
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.score import score
from ecomgpt.eval.suite import choose
from ecomgpt.eval.task import EvalTask, load_eval_tasks


def test_prompts_are_the_file_s_own(released: dict[str, EvalTask], tmp_path: Path) -> None:
    rows = read_released(released["EN-Shop-CLS-topics"], tmp_path, seed=1, candidates="all")
    assert rows[0].prompt.text == (
        "Below is an instruction that describes the topics task. "
        "Write a response that appropriately completes the request.\n"
        "### Instruction:\nCheap {label_set} and quick.\nPick Taste, Price, Value, Delivery. \n### Response:"
    )
    assert rows[0].text == "Cheap {label_set} and quick."
    assert (rows[0].form, rows[0].target, rows[0].gold) == (
        "labels",
        "Price, Value, Delivery",
        ("Price, Value", "Delivery"),
    )
    assert rows[1].id == "EN-Shop-CLS-topics/2" and rows[1].text == "Yum\u2028yum"


def test_answers_take_the_released_shape(released: dict[str, EvalTask], tmp_path: Path) -> None:
    ner = read_released(released["ZH-Shop-NER-attributes"], tmp_path, seed=1)
    assert [row.target for row in ner[:2]] == ["颜色: 深绿\n材质: 棉布", "颜色: None\n材质: None"]
    assert ner[0].prompt.text.endswith("Extract 颜色, 材质. \n### Response:")
    spans = read_released(released["ZH-Shop-Condition_Extract-values"], tmp_path, seed=1)
    assert [row.target for row in spans[:2]] == ["深绿, 棉布", "None"]
    assert read_released(released["EN-Shop-Extract-qa"], tmp_path, seed=1)[0].gold == ("two, maybe three",)
    assert read_released(released["ZH-Shop-Generate-titles"], tmp_path, seed=1)[0].prompt.after.startswith("\nGenerate")


def test_candidates_are_drawn_once_for_each_row(released: dict[str, EvalTask], tmp_path: Path) -> None:
    task = released["ZH-Shop-CLS-fine"]
    rows = read_released(task, tmp_path, seed=1, max_candidates=8)
    assert rows == read_released(task, tmp_path, seed=1, max_candidates=8)
    assert [row.candidates for row in rows] != [
        row.candidates for row in read_released(task, tmp_path, seed=2, max_candidates=8)
    ]
    assert all(len(set(row.candidates)) == 8 and row.target in row.candidates for row in rows)
    assert len({row.candidates.index(row.target) for row in rows}) > 3, "the gold label has no place of its own"
    assert all(", ".join(row.candidates) in row.prompt.text for row in rows)
    assert all(len(row.candidates) == 40 for row in read_released(task, tmp_path, seed=1, candidates="all"))


def test_a_limit_takes_the_same_rows_each_time(released: dict[str, EvalTask], tmp_path: Path) -> None:
    rows = read_released(released["ZH-Shop-CLS-fine"], tmp_path, seed=1)
    few, more = choose(rows, 5), choose(rows, 12)
    assert len(few) == 5 and {row.id for row in few} < {row.id for row in more}
    assert [row.id for row in more] == [row.id for row in rows if row in more]


def test_perfect_answers_score_one(released: dict[str, EvalTask], tmp_path: Path) -> None:
    for task in released.values():
        perfect(task, tmp_path)


def perfect(task: EvalTask, data: Path) -> None:
    rows = read_released(task, data, seed=1)
    # The released script takes a span answer of one character for an error, right or not.
    rows = [row for row in rows if row.kind != "Condition_Extract" or len(row.target) > 1]
    values = score(task, [Answer(row, row.target) for row in rows]).values
    # A target of one token has no pair of tokens, so ROUGE-2 gives it 0.
    right = {"invalid_rate": 0.0, "rouge_2": sum(len(tokens(row.target)) > 1 for row in rows) / len(rows)}
    wrong = {name: value for name, value in values.items() if abs(value - right.get(name, 1.0)) > 1e-6}
    assert not wrong, f"{task.name}: {wrong}"


def test_an_answer_chosen_from_the_input_is_right_or_wrong(released: dict[str, EvalTask], tmp_path: Path) -> None:
    task = released["EN-Shop-Extract-qa"].model_copy(update={"choices": "Offers: "})
    test = tmp_path / "eval" / task.name / "test.json"
    line = '{"sentences": "Query: mug\\nOffers: red mug, blue jar, tea pot.", "spans": [{"term": "red mug"}]}'
    break_line(test, 1, line)
    (row,) = read_released(task, tmp_path, seed=1)
    assert (row.form, row.kind, row.candidates) == ("label", "Extract", ("red mug", "blue jar", "tea pot"))
    values = [score(task, [Answer(row, text)]).values for text in ("Red mug.", "tea pot", row.text)]
    assert [one["accuracy"] for one in values] == [1.0, 0.0, 0.0]
    assert [one["invalid_rate"] for one in values] == [0.0, 0.0, 1.0]
    assert values[0]["rouge_l"] == 1.0 and values[2]["rouge_l"] > 0.3
    break_line(test, 1, line.replace('"red mug"', '"mug"'))
    with pytest.raises(UserError, match="none of those that 'sentences' lists"):
        read_released(task, tmp_path, seed=1)


def test_perfect_answers_to_the_real_tasks_score_one(real_data: Path) -> None:
    if not (real_data / "ecom_instruct_v1").is_dir():
        pytest.skip("no ecom_instruct_v1/ in the data folder")
    tasks = [task for task in load_eval_tasks() if task.format == "released"]
    assert len(tasks) == 13
    for task in tasks:
        perfect(task, real_data)


def break_line(path: Path, number: int, text: str) -> None:
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[number - 1] = text
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("EN-Shop-CLS-topics", "{broken", "not one JSON object"),
        ("EN-Shop-CLS-topics", '{"sentences": 3}', "'sentences' must be text"),
        ("EN-Shop-CLS-topics", '{"sentences": "", "labels": {"default": []}}', "at least one label under 'default'"),
        ("EN-Shop-CLS-topics", '{"sentences": "", "labels": {"default": ["Tast"]}}', "'Tast' is not in the label_set"),
        ("ZH-Shop-NER-attributes", '{"sentences": "", "spans": {}}', "'spans' must be a list"),
        ("ZH-Shop-NER-attributes", '{"sentences": "", "spans": [{"type": "x", "term": "y"}]}', "the type 'x'"),
        ("ZH-Shop-NER-attributes", '{"sentences": "", "spans": [{"type": "颜色", "term": ""}]}', "needs a 'term'"),
        ("EN-Shop-Extract-qa", '{"sentences": "", "spans": []}', "its first term is the answer"),
        ("EN-Shop-Extract-qa", "[" * 100_000, "not one JSON object"),
    ],
)
def test_broken_lines_are_named(
    released: dict[str, EvalTask], tmp_path: Path, name: str, line: str, message: str
) -> None:
    test = tmp_path / "eval" / name / "test.json"
    break_line(test, 1, line)
    with pytest.raises(UserError) as error:
        read_released(released[name], tmp_path, seed=1)
    assert f"{test}:1: " in str(error.value) and message in str(error.value)


def test_empty_missing_and_foreign_files(released: dict[str, EvalTask], tmp_path: Path) -> None:
    task = released["EN-Shop-CLS-topics"]
    folder = tmp_path / "eval" / task.name
    (folder / "test.json").write_text("\n")
    with pytest.raises(UserError, match="holds no rows"):
        read_released(task, tmp_path, seed=1)
    (folder / "test.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        read_released(task, tmp_path, seed=1)
    (folder / "test.json").unlink()
    with pytest.raises(UserError, match="cannot be read"):
        read_released(task, tmp_path, seed=1)
    (folder / "meta-info.json").write_text(json.dumps({"defy": "x", "label_key": "a", "label_set": {"a": []}}))
    with pytest.raises(UserError) as error:
        read_released(task, tmp_path, seed=1)
    assert len(error.value.problems) == 3 and "defy" in str(error.value)


def test_a_folder_of_another_name_needs_a_kind(released: dict[str, EvalTask], tmp_path: Path) -> None:
    task = released["EN-Shop-Extract-qa"]
    (tmp_path / "eval" / task.name).rename(tmp_path / "eval" / "mine")
    task.folder = "eval/mine"
    with pytest.raises(UserError, match="'kind'"):
        read_released(task, tmp_path, seed=1)
    task.kind = "Extract"
    assert read_released(task, tmp_path, seed=1)[0].kind == "Extract"


@pytest.mark.parametrize("path", declarations("eval/tasks"), ids=lambda path: path.stem)
def test_every_shipped_task_is_valid(path: Path) -> None:
    task = load(path, EvalTask, name=path.stem)
    assert task.name == path.stem
    names = [f"{language}-{task.name}" for language in task.languages] or [task.name]
    assert [one.name for one in load_eval_tasks(names)] == names


def test_shipped_suites_name_known_tasks() -> None:
    import yaml

    for path in sorted((shipped("conf") / "eval").glob("*.yaml")):
        suite = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = suite.get("tasks", [])
        assert [task.name for task in load_eval_tasks(names)] == names, path
        assert suite["name"] == path.stem
    assert len(yaml.safe_load((shipped("conf") / "eval" / "held_out.yaml").read_text(encoding="utf-8"))["tasks"]) == 12


def test_unknown_tasks_and_metrics_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'EN-Lenovo-NER-NER'"):
        load_eval_tasks(["EN-Lenovo-NER-NRE"])
    own = tmp_path / "eval" / "tasks"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(
        "name: mine\ntitle: t\nlanguage: en\nfamily: review_topic\ndataset: d\nmetrics: [rouge_L]\n"
    )
    (own / "other.yaml").write_text("title: t\nlanguage: en\nfamily: review_topic\ndataset: d\n")
    with pytest.raises(UserError) as error:
        load_eval_tasks(own=str(tmp_path))
    assert "did you mean 'rouge_l'" in str(error.value) and "'folder' is missing" in str(error.value)


def test_a_copied_task_must_not_keep_its_name(tmp_path: Path) -> None:
    copy = tmp_path / "eval" / "tasks" / "mine.yaml"
    copy.parent.mkdir(parents=True)
    (shipped_one,) = [path for path in declarations("eval/tasks") if path.stem == "general-facts"]
    copy.write_text(f"name: general-facts\n{shipped_one.read_text(encoding='utf-8')}", encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.yaml: the name is 'general-facts', but the file is called 'mine'"):
        load_eval_tasks(own=str(tmp_path))
    copy.rename(copy.with_stem("general-facts"))
    assert load_eval_tasks(["zh-general-facts"], str(tmp_path))
