"""A prepared mixture: every row accounted for, nothing torn apart, nothing leaked, built once."""

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import read_instructions

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import Config
from ecomgpt.data.manifest import check
from ecomgpt.data.pipeline import prepare
from ecomgpt.data.prepared import SPLITS, Prepared
from ecomgpt.data.protect import Protection
from ecomgpt.data.store import read_batches, write_instructions
from ecomgpt.data.tokens import TOKENIZER, Tokeniser, choices_in_input
from ecomgpt.model.tokenizer import TrainedTokenizer, train
from ecomgpt.plan.configuration import configured
from ecomgpt.tasks.instruction import Instruction
from ecomgpt.tasks.prompt import instruction_prompt

NOTHING = Protection("none")


def config(cache: Path, *overrides: str) -> Config:
    tiny = [
        "eval=none",
        "sources.options.demo_store.products=30",
        "data.max_examples_per_task=25",
        "data.validation=0.1",
        f"paths.cache={cache}",
    ]
    return configured([*tiny, *overrides])


def build(cache: Path, *overrides: str, protection: Protection = NOTHING) -> Prepared:
    return prepare(config(cache, *overrides), protection, TrainedTokenizer(600))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def rows(mixture: Prepared, split: str = "train") -> list[Instruction]:
    """The rows that were tokenised, in order."""
    texts = read_instructions(mixture.instructions / f"{split}.arrow")
    return [texts[row] for row in mixture.examples(split).rows]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["data.max_length=64"],
        ["data.max_tasks=5"],
        ["data.temperature=3"],
        ["data.budget.examples=100"],
        ["data.budget.target_tokens=500"],
        ["data.weights.product_category=0.2", "data.weights.sentiment_classification=3"],
        [
            "data.max_examples_per_task=null",
            "data.max_length=100",
            "data.max_tasks=12",
            "data.budget.target_tokens=900",
        ],
    ],
    ids=" ".join,
)
def test_the_manifest_reconciles(cache: Path, overrides: list[str]) -> None:
    mixture = build(cache, *overrides)
    manifest, examples = mixture.manifest, mixture.examples("train")
    assert manifest["examples"] == len(examples) > 0
    assert manifest["tokens"] == int(examples.lengths.sum())
    assert manifest["target_tokens"] == int(examples.num_targets.sum())
    assert manifest["examples"] == sum(task["examples"] for task in manifest["tasks"])
    found = rows(mixture)
    for task in manifest["tasks"]:
        later = sum(number for reason, number in task["dropped"].items() if not reason.startswith("not made"))
        assert task["made"] == task["examples"] + later, task["name"]
        assert sum(task["languages"].values()) == task["examples"]
        assert task["examples"] == sum(row.task == task["name"] for row in found) > 0
    assert len(set(manifest["not_chosen"]) & {task["name"] for task in manifest["tasks"]}) == 0


def test_cap_weights_and_budgets_hold(cache: Path) -> None:
    capped = {task["name"]: task["examples"] for task in build(cache).manifest["tasks"]}
    assert max(capped.values()) == 25
    weighted = build(cache, "data.weights.product_category=0.2").manifest["tasks"]
    assert next(task["examples"] for task in weighted if task["name"].endswith(".product_category")) == 5
    assert build(cache, "data.budget.examples=100").manifest["examples"] == 100


def test_mixtures_of_one_budget_are_of_one_size(cache: Path) -> None:
    """The fair ablation: with and without atomic tasks, as many examples or as many answer tokens."""
    mixtures = [build(cache, f"data={name}", "data.budget.examples=120") for name in ("no_atomic", "full_cot")]
    assert (
        [mixture.manifest["examples"] for mixture in mixtures]
        == [len(mixture.examples("train")) for mixture in mixtures]
        == [120, 120]
    )
    for name in ("no_atomic", "full_cot"):
        everything = build(cache, f"data={name}")
        mixture = build(cache, f"data={name}", "data.budget.target_tokens=400")
        reached = mixture.manifest["target_tokens"]
        assert 400 - int(everything.examples("train").num_targets.max()) < reached <= 400
        assert mixture.manifest["budget"] == {
            "wanted": {"target_tokens": 400},
            "examples": len(mixture.examples("train")),
            "target_tokens": reached,
        }
        assert mixture.instructions == everything.instructions  # Only the tokens are made again.


def test_a_budget_below_the_first_answer_is_refused(cache: Path) -> None:
    """Else nothing would be trained, and called done."""
    with pytest.raises(
        UserError,
        match=r"data\.budget\.target_tokens=1: the first example alone has (\d+) answer tokens; give \1 or more",
    ):
        build(cache, "data.budget.target_tokens=1")


def test_a_budget_cuts_the_validation_part_in_proportion(cache: Path) -> None:
    whole, some = (build(cache, "data.validation=0.3", *more) for more in ([], ["data.budget.examples=60"]))
    there, kept = (len(mixture.examples("validation")) for mixture in (whole, some))
    assert 1 <= kept == round(there * 60 / whole.manifest["examples"]) < there
    assert some.manifest["validation_examples"] == kept
    lost = sum(task["validation"]["dropped"].get("over data.budget", 0) for task in some.manifest["tasks"])
    assert lost > 0


@pytest.mark.parametrize("key", ["examples", "target_tokens"])
def test_a_mixture_below_its_budget_is_refused_with_the_number_that_would_do(cache: Path, key: str) -> None:
    there = build(cache, "data=no_atomic").manifest[key]
    with pytest.raises(
        UserError, match=rf"data\.budget\.{key}={there + 1}: .*no_atomic has only {there}.*{key}={there} or less"
    ):
        build(cache, "data=no_atomic", f"data.budget.{key}={there + 1}")
    assert build(cache, "data=no_atomic", f"data.budget.{key}={there}").manifest[key] == there


def test_without_atomic_tasks_there_are_raw_ones_alone(cache: Path) -> None:
    kinds = {
        name: {(task["kind"], task["label"]) for task in build(cache, f"data={name}").manifest["tasks"]}
        for name in ("no_atomic", "atomic_only", "full_cot")
    }
    assert kinds["no_atomic"] == {("raw", "golden")} and {kind for kind, _ in kinds["atomic_only"]} == {"atomic"}
    assert kinds["full_cot"] == kinds["no_atomic"] | kinds["atomic_only"]


def contents(mixture: Prepared) -> dict[str, bytes]:
    files = [
        path
        for folder in (mixture.instructions, mixture.folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return {str(path.relative_to(path.parents[2])): path.read_bytes() for path in files}


def test_the_number_of_processes_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecomgpt.data.instructions.BLOCK", 200)
    monkeypatch.setattr("ecomgpt.data.store.ROWS", 300)
    some = ["data.max_examples_per_task=40", "data.temperature=1.5", "data.budget.examples=300"]
    one, two = (build(tmp_path / number, *some, f"data.processes={number}") for number in ("1", "2"))
    assert one.manifest == two.manifest and contents(one) == contents(two)


def test_the_datasets_library_reads_the_texts(cache: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    mixture = build(cache)
    found = datasets.Dataset.from_file(str(mixture.instructions / "train.arrow"))
    first = read_instructions(mixture.instructions / "train.arrow")[0]
    assert (
        found[0]["id"] == first.id and found[0]["before"] + found[0]["input"] + found[0]["after"] == first.prompt.text
    )
    assert sorted(found["id"]) == sorted(row.id for row in rows(mixture))


def test_a_row_that_is_lost_stops_the_build(cache: Path) -> None:
    manifest = build(cache).manifest
    sources, tasks = manifest["sources"], manifest["tasks"]
    check(sources, tasks)
    changes: list[dict[str, Any]] = [
        {"made": tasks[0]["made"] + 1},
        {"offered": tasks[0]["offered"] - 1},
        {"dropped": {}},
        {"examples": 0},
    ]
    for change in changes:
        with pytest.raises(RuntimeError, match=f"unaccounted for: .*{tasks[0]['name']}, train"):
            check(sources, [{**tasks[0], **change}, *tasks[1:]])
    with pytest.raises(RuntimeError, match="demo_store: rows read"):
        check({"demo_store": {**sources["demo_store"], "kept": 1}}, tasks)


def test_a_smaller_mixture_lies_within_the_larger(cache: Path) -> None:
    def names(*overrides: str) -> set[str]:
        return {row.id for row in rows(build(cache, *overrides))}

    few, many, everything = names("data.max_tasks=4"), names("data.max_tasks=9"), names()
    assert few < many < everything
    assert names("data.max_examples_per_task=10") < everything
    assert names("data.budget.examples=60") < names("data.budget.examples=100") < everything


def test_splits_tear_no_group_and_share_no_row(cache: Path) -> None:
    mixture = build(cache, "data.max_examples_per_task=null")
    groups = {split: {(row.source, row.group) for row in rows(mixture, split)} for split in SPLITS}
    assert groups["train"] and groups["validation"] and not groups["train"] & groups["validation"]
    ids = [row.id for split in SPLITS for row in rows(mixture, split)]
    assert len(ids) == len(set(ids))


def test_a_held_out_task_and_a_protected_text_stay_out(cache: Path) -> None:
    everything = rows(build(cache))
    text = max((row.prompt.input for row in everything), key=len)
    task = everything[0].task
    mixture = build(cache, protection=Protection("suite", [task], "a key", lambda: [("secret", text)]))
    assert all(row.task != task and text not in row.prompt.input for row in rows(mixture))
    contamination = mixture.manifest["contamination"]
    assert contamination["removed"] == contamination["by_task"]["secret"] > 0
    assert contamination["held_out_tasks"] == [task] and contamination["checked_against"] == "suite"


def test_a_second_build_is_a_hit_and_a_change_a_miss(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(cache)
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}
    assert build(cache).manifest == first.manifest
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()} == before
    changed = [
        build(cache, "seed=7"),
        build(cache, "data.max_length=200"),
        build(cache, "sources.options.demo_store.products=31"),
        build(cache, protection=Protection("suite", [rows(first)[0].task])),
    ]
    import ecomgpt.data.fingerprint as fingerprint

    real = fingerprint.code_hash
    monkeypatch.setattr(fingerprint, "code_hash", lambda room, without: real(room) + "changed" * (room.name == "data"))
    changed.append(build(cache))
    assert len({first.manifest["fingerprint"], *(mixture.manifest["fingerprint"] for mixture in changed)}) == 6


def _build_into(folder: str) -> None:
    build(Path(folder), "sources.options.demo_store.products=10")


@pytest.mark.parametrize("name", ["train/tokens.bin", "train/tasks.npy", "tokenizer.json", "manifest.json"])
def test_a_damaged_mixture_is_told_and_built_again(cache: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = build(cache).folder / name
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], bytes([whole[0] ^ 1]) + whole[1:], b""):
        file.write_bytes(damaged)
        capsys.readouterr()
        mixture = build(cache)
        assert file.read_bytes() == whole and len(mixture.examples("train")) == mixture.manifest["examples"]
        assert f"'{name}' in it" in capsys.readouterr().err


def test_two_processes_that_build_at_once_do_not_break_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_build_into, args=(str(tmp_path),)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    for stage in ("instructions", "tokens"):
        (folder,) = (path for path in (tmp_path / stage).iterdir() if path.suffix != ".lock")
        assert (folder / "manifest.json").is_file()
    assert len(build(tmp_path, "sources.options.demo_store.products=10").examples("train")) > 0


def test_only_inputs_are_cut(cache: Path) -> None:
    mixture = build(cache, "data.max_length=80")
    assert sum(task["truncated"] for task in mixture.manifest["tasks"]) > 0
    for row, ids in zip(
        rows(mixture), map(mixture.examples("train").ids, range(mixture.manifest["examples"])), strict=True
    ):
        text = str(mixture.tokenizer.decode(ids))
        assert text.startswith(row.prompt.before) and text.endswith(f"{row.prompt.after}{row.target}</s>")


def test_choices_in_the_input_are_never_cut(tmp_path: Path) -> None:
    choices = ("a red kettle", "a blue kettle")
    common: dict[str, Any] = {
        "source": "s",
        "group": "g",
        "split": "train",
        "language": "en",
        "target": choices[0],
        "candidates": choices,
    }
    cases = {
        "s.short": ("Which?", f"A: {choices[0]}\nB: {choices[1]}"),
        "s.long": ("Which?", f"A: {choices[0]} {'x ' * 200}\nB: {choices[1]}"),
        "s.asked": (f"Which of {', '.join(choices)}?", f"A: {choices[0]} {'x ' * 200}\nB: {choices[1]}"),
    }
    made = [
        Instruction(id=task, task=task, prompt=instruction_prompt("choice", *case), **common)
        for task, case in cases.items()
    ]
    write_instructions(tmp_path / "x.arrow", made)
    train([row.prompt.text for row in made], 400).save(str(tmp_path / TOKENIZER))
    (batch,) = read_batches(tmp_path / "x.arrow")
    tokens = Tokeniser(tmp_path, 2, 150, {task: number for number, task in enumerate(cases)})(batch)
    assert tokens.facts["tasks"].tolist() == [0, 2] and (tokens.facts["cut"] > 0).tolist() == [False, True]
    assert tokens.dropped == {("choices_cut", 1): 1} and tokens.read == 3


def test_choices_in_the_wording_do_not_count_as_input() -> None:
    choices = ["tea", "milk"]
    shown = instruction_prompt("choice", "Pick one.", "A: tea\nB: milk")
    asked = instruction_prompt("choice", "Pick one of tea, milk.", "A: tea\nB: milk")
    assert choices_in_input(shown, choices) and not choices_in_input(asked, choices) and not choices_in_input(shown, [])


def test_the_same_seed_gives_the_same_tokens_in_another_cache(cache: Path, tmp_path: Path) -> None:
    here, there = build(cache), build(tmp_path)
    assert here.manifest == there.manifest
    for split in SPLITS:
        one, other = here.examples(split), there.examples(split)
        assert np.array_equal(one.lengths, other.lengths)
        assert (one.folder / "tokens.bin").read_bytes() == (other.folder / "tokens.bin").read_bytes()
