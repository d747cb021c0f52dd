"""The suites that need no declarations of their own, and how far tasks lie from what a model was trained on."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from support import read_instructions

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import Config
from ecomgpt.eval import general
from ecomgpt.eval.general import GENERATORS
from ecomgpt.eval.metrics.tokens import tokens
from ecomgpt.eval.mixture import instructions, mixture_tasks, unseen_wordings
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.score import score
from ecomgpt.eval.suite import Suite, choose, load_suite
from ecomgpt.eval.task import load_eval_tasks
from ecomgpt.eval.trained import RELATIONS, Trained
from ecomgpt.plan import configuration
from ecomgpt.sources.dataset import Dataset
from ecomgpt.tasks.declaration import SLOT, load_tasks

SMALL = ("sources=demo", "model=bloom_tiny", "sources.options.demo_store.products=60", "data.test=0.3", "eval.limit=6")


def configured(*overrides: str) -> Config:
    return configuration.configured([*SMALL, *overrides])


@pytest.fixture(scope="module")
def every_wording() -> dict[str, Suite]:
    """All tasks of the demo store, in seen and in unseen wordings."""
    config = configured("eval=in_domain", "eval.also=[unseen_instructions]", "data.tasks=null", "data.max_tasks=null")
    suite = load_suite(config, {})
    return {
        "seen": [(task, rows) for task, rows in suite if not task.unseen],
        "unseen": [(task, rows) for task, rows in suite if task.unseen],
    }


def test_the_mixture_s_tasks_become_evaluation_tasks(every_wording: dict[str, Suite]) -> None:
    suite = every_wording["seen"]
    names = [task.name for task, _ in suite]
    assert len(set(names)) == len(names) > 100
    assert {task.language for task, _ in suite} == {"en", "zh"}
    assert all(1 <= len(rows) <= 6 and {row.language for row in rows} == {task.language} for task, rows in suite)


def test_kinds_and_rows_of_the_mixture_s_tasks_are_chosen_apart() -> None:
    suite = load_suite(
        configured(
            "eval=in_domain", "eval.tasks=[en-demo-category_check]", "eval.mixture_kinds=[raw]", "eval.mixture_limit=2"
        ),
        {},
    )
    assert all(len(rows) == (6 if task.name == "en-demo-category_check" else 2) for task, rows in suite)
    every = load_suite(configured("eval=in_domain"), {})
    kinds = {task.name: task.kind for task in load_tasks(None, None)}
    raw = {task.name for task, _ in every if kinds[(task.task or "").partition(".")[2]] == "raw"}
    assert {task.name for task, _ in suite[1:]} == raw and 0 < len(raw) < len(every)


def test_unseen_wordings_ask_the_same_rows(every_wording: dict[str, Suite]) -> None:
    seen = {task.name: rows for task, rows in every_wording["seen"]}
    assert [task.name.removesuffix(".unseen") for task, _ in every_wording["unseen"]] == list(seen)
    for task, rows in every_wording["unseen"]:
        for row, other in zip(rows, seen[task.name.removesuffix(".unseen")], strict=True):
            assert (row.id, row.target, row.candidates, row.text) == (
                other.id,
                other.target,
                other.candidates,
                other.text,
            )
            assert row.prompt.after != other.prompt.after or row.prompt.before != other.prompt.before


def pattern(wording: str) -> re.Pattern[str]:
    """A wording as it stands in prompts, whatever fills its slots."""
    return re.compile(".+?".join(re.escape(part) for part in SLOT.split(wording)[::2]), re.DOTALL)


def test_training_never_uses_the_unseen_wordings(tmp_path: Path) -> None:
    from ecomgpt.data.pipeline import prepare
    from ecomgpt.data.protect import Protection
    from ecomgpt.model.tokenizer import TrainedTokenizer

    config = configured(
        "data.tasks=[sentiment_of_text,product_category,intent_of_text,polarity_of_aspect]",
        f"paths.cache={tmp_path}",
        "eval=unseen_instructions",
    )
    mixture = prepare(config, Protection("none"), TrainedTokenizer(500))
    wordings = {name: [text for texts in both.values() for text in texts] for name, both in unseen_wordings().items()}
    used = {name: [pattern(text) for text in texts] for name, texts in wordings.items()}
    trained = read_instructions(mixture.instructions / "train.arrow")
    assert len(trained) > 100
    for row in trained:
        assert not any(one.search(row.prompt.after) for one in used[row.task.partition(".")[2]]), row.prompt.text
    # The search does find them where they are.
    asked = list(instructions(config, ["demo_store.intent_of_text"], 0, unseen=True))
    assert asked and all(any(one.search(row.prompt.after) for one in used["intent_of_text"]) for row in asked)


def test_every_task_has_an_unseen_wording_of_its_own() -> None:
    def plain(text: str) -> str:
        return re.sub(r"\W", "", SLOT.sub("", text)).casefold()

    tasks = load_tasks()
    unseen = unseen_wordings()
    assert not [task.name for task in tasks if task.name not in unseen], "add a wording to conf/eval/wordings"
    trained = {plain(text) for task in tasks for texts in task.instructions.values() for text in texts}
    assert not trained & {plain(text) for both in unseen.values() for texts in both.values() for text in texts}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: {sentiment_of_txt: {en: [a], zh: [b]}}", "did you mean 'sentiment_of_text'"),
        ("tasks: {sentiment_of_text: {en: ['{candidates}?']}}", "no wording in 'zh'"),
        ("tasks: {sentiment_of_text: {en: [How], zh: ['{candidates}？']}}", "has the slots []"),
        (
            "tasks: {polarity_of_aspect: {en: ['{candidates} {aspekt}'], zh: ['{candidates}{aspect}']}}",
            "['aspekt', 'candidates']",
        ),
        (
            "tasks: {answer_span: {en: [answer the question with a span of the context], zh: [答]}}",
            "is a wording that training uses",
        ),
    ],
)
def test_broken_wordings_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "eval" / "wordings" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        unseen_wordings(str(tmp_path))
    assert str(file) in str(error.value) and message in str(error.value)


def manifest(*names: str) -> dict[str, Any]:
    tasks = {task.name: task for task in load_tasks()}
    return {
        "tasks": [
            {
                "name": name,
                "source": name.partition(".")[0],
                "family": tasks[name.partition(".")[2]].family,
                "examples": 5,
            }
            for name in names
        ]
    }


def test_a_trained_model_is_asked_what_its_manifest_names() -> None:
    config = configured("eval=in_domain", "data.tasks=[product_category]")
    suite = load_suite(config, manifest("demo_store.intent_of_text"))
    assert [task.name for task, _ in suite] == ["en-demo_store.intent_of_text", "zh-demo_store.intent_of_text"]
    with pytest.raises(UserError, match="no longer declared"):
        mixture_tasks(config, {"tasks": [{"name": "demo_store.gone"}]})


def test_relations_follow_the_manifest_and_not_the_declaration() -> None:
    trained = Trained.of(
        manifest("demo_store.sentiment_of_text", "demo_store.category_check", "abcd_sample.first_message_intent")
        | {"other": 1},
        [dataclass_of("abcd_sample", ["ZH-OpenBG_Align-Generate-title_generate"])],
    )
    declared = {task.name: task for task in load_eval_tasks()}
    relation = {name: trained.relation(task) for name, task in declared.items()}
    # Declared as held out by the demo suite, but this model was trained on it.
    assert relation["en-demo-sentiment_of_text"] == "in_domain" and declared["en-demo-sentiment_of_text"].held_out
    assert relation["en-demo-product_category"] == "held_out_task"
    assert relation["ZH-OpenBG_Align-CLS-item_fine_classify"] == "cross_dataset"
    assert relation["EN-Lenovo-NER-NER"] == "cross_task"
    assert relation["zh-general-facts"] == "general"
    assert set(relation.values()) < set(RELATIONS)
    own_side = declared["ZH-OpenBG_Align-Generate-title_generate"]
    assert own_side.family not in trained.families
    assert trained.relation(own_side) == "in_domain", "its training side was read, under another family"
    families = trained.families | {"title_generation"}
    more = dataclasses.replace(trained, families=families)
    assert more.relation(declared["ZH-OpenBG_Align-Generate-title_generate"]) == "in_domain", (
        "its training side was read"
    )
    unseen = declared["en-demo-sentiment_of_text"].model_copy(update={"unseen": True})
    assert trained.relation(unseen) == "unseen_instructions"


def dataclass_of(name: str, protects: list[str]) -> Dataset:
    given = dict.fromkeys(("title", "licence", "citation", "homepage", "obtain", "reader"), "")
    family = "review_topic"
    return Dataset(name=name, language="en", family=family, records=[], files={}, protects=protects, **given)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_general_rows_are_right_and_the_same_each_time(name: str, language: str) -> None:
    (task,) = load_eval_tasks([f"{language}-general-{name}"])
    rows = general.rows(task, 0)
    assert rows == general.rows(task, 0) and len({row.text for row in rows}) == len(rows) >= 70
    for row in rows:
        if name == "arithmetic":
            assert int(row.target) == eval(row.text.removesuffix("=").replace("×", "*")) >= 0
        elif name == "copying":
            assert row.target == row.text
        elif name == "reversing":
            assert re.split("、|, ", row.target) == re.split("、|, ", row.text)[::-1]
        else:
            assert len(set(row.candidates)) == general.OFFERED and row.target in row.candidates
            assert all(candidate in row.prompt.text for candidate in row.candidates)


def test_a_fact_has_one_right_candidate() -> None:
    for language in ("en", "zh"):
        for kind, facts in general.words_of(language)["facts"].items():
            given = [known for known, _ in facts["pairs"]]
            missing = [answer for _, answer in facts["pairs"]]
            assert len(set(given)) == len(given) and len(set(missing)) == len(missing), kind


def test_perfect_answers_score_one_in_every_suite(every_wording: dict[str, Suite]) -> None:
    """The demo suite, every task of the demo store in both wordings, and the general tasks; in both languages."""
    demo = load_suite(configured("eval=demo", "eval.also=[general]"), {})
    for task, rows in [*demo, *every_wording["seen"], *every_wording["unseen"]]:
        values = score(task, [Answer(row, row.target) for row in rows]).values
        # A target of one token has no pair of tokens, so ROUGE-2 gives it 0.
        right = {"invalid_rate": 0.0, "rouge_2": sum(len(tokens(row.target)) > 1 for row in rows) / len(rows)}
        wrong = {name: value for name, value in values.items() if abs(value - right.get(name, 1.0)) > 1e-6}
        assert not wrong, f"{task.name}: {wrong}"


def test_suites_are_joined() -> None:
    config = configured("eval=demo", "eval.also=[general,in_domain,demo]")
    assert config.eval.name == "demo+general+in_domain"
    assert config.eval.mixture == ["seen"] and config.eval.limit == 6
    assert len(config.eval.tasks) == len(set(config.eval.tasks)) == 16 + 8


def test_a_stream_keeps_the_rows_that_a_list_would() -> None:
    (task,) = load_eval_tasks(["en-general-copying"])
    rows = general.rows(task, 0)
    few, more = choose(rows, 7), choose(rows, 30)
    assert len(few) == 7 and {row.id for row in few} < {row.id for row in more} and choose(rows, None) == rows
    assert [row for row in rows if row in more] == more
