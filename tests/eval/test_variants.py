"""The same rows in other ways: ranked, and in other wordings."""

from ecomgpt.eval.metrics_file import RANKED_ACCURACY
from ecomgpt.eval.results import baselines, changes, results
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.suite import Suite
from ecomgpt.eval.variants import RANKED, ranked, reworded, with_variants
from ecomgpt.plan.configuration import configured

CONFIG = configured(["eval=demo", "eval.limit=6", "eval.wordings=3", "eval.tasks=[en-demo-category_check]"])


def answered(suite: Suite, right: dict[str, int]) -> dict[str, list[Answer]]:
    """The first rows of each way of asking are right, as many as ``right`` says, the others say nothing."""
    found = {}
    for task, rows in suite:
        known = right[task.name.rpartition("/")[0]]
        found[task.name] = [Answer(row, row.target if at < known else "") for at, row in enumerate(rows)]
    return found


def test_variants_ask_the_same_rows_in_other_ways() -> None:
    suite = with_variants(CONFIG, {}, ranks=True)
    names = [task.name for task, _ in suite]
    base = names[0]
    assert names == [base, f"{RANKED}/{base}", f"wording_2/{base}", f"wording_3/{base}"]
    rows = {task.name: rows for task, rows in suite}
    for name in names[1:]:
        assert [(row.id, row.target) for row in rows[name]] == [(row.id, row.target) for row in rows[base]]
    assert [row.prompt for row in rows[names[1]]] == [row.prompt for row in rows[base]]
    assert any(one.prompt != other.prompt for one, other in zip(rows[names[2]], rows[base], strict=True))
    assert suite[1][0].decoding == "rank" and suite[2][0].decoding is None
    assert [task.name for task, _ in with_variants(CONFIG, {}, ranks=False)] == [base, *names[2:]]


def test_what_is_asked_the_same_is_not_asked_again() -> None:
    suite = with_variants(CONFIG, {}, ranks=False)[:1]
    assert reworded(suite, [suite], 2) == []


def test_open_tasks_are_not_ranked() -> None:
    task, rows = with_variants(CONFIG, {}, ranks=False)[0]
    assert len(ranked([(task, rows)])) == 1
    open_rows = [type(row)(id=row.id, task=row.task, prompt=row.prompt, target=row.target) for row in rows]
    assert ranked([(task, open_rows)]) == []


def test_scores_of_variants_stand_beside_the_tasks_own() -> None:
    suite = with_variants(CONFIG, {}, ranks=True)
    after = answered(suite, {"": 3, RANKED: 6, "wording_2": 1, "wording_3": 5})
    before = answered(suite, {"": 0, RANKED: 3, "wording_2": 0, "wording_3": 0})
    found = results(suite, after, None)
    assert list(found["tasks"]) == [suite[0][0].name]
    (task,) = found["tasks"].values()
    assert task["metrics"]["accuracy"]["value"] == 0.5 and task["metrics"][RANKED_ACCURACY]["value"] == 1.0
    assert task["wordings"] == [0.5, round(1 / 6, 6), round(5 / 6, 6)]
    assert found["averages"]["all"]["metrics"][RANKED_ACCURACY]["value"] == 1.0
    assert list(changes(before, after, suite)) == list(found["tasks"]) == list(baselines(suite)["constant"])
