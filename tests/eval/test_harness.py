"""The suite as tasks of lm-evaluation-harness: what is written, and that the harness gives the answers that we give."""

import importlib.util
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import Config
from ecomgpt.eval.decoding.generate import Decoding, answer
from ecomgpt.eval.harness import export_suite
from ecomgpt.eval.suite import Suite, load_rows
from ecomgpt.eval.task import EvalTask

LIMIT = 9


@pytest.fixture()
def suite(released: dict[str, EvalTask], tmp_path: Path) -> Suite:
    for task in released.values():
        task.max_new_tokens = LIMIT
    read = config()
    read.paths.data, read.eval.limit = str(tmp_path), 4
    return [(task, load_rows(task, read)) for task in released.values()]


def config(max_prompt_tokens: int = 800, beams: int = 1) -> Config:
    made = Config()
    made.eval.name, made.eval.max_prompt_tokens, made.eval.beams = "shop", max_prompt_tokens, beams
    return made


def test_rows_limits_and_group_are_written(suite: Suite, tmp_path: Path) -> None:
    assert export_suite(suite, tmp_path / "out", config(beams=4), None) == 0
    task, rows = next(one for one in suite if one[0].name == "ZH-Shop-CLS-fine")
    lines = [
        json.loads(line)
        for line in (tmp_path / "out" / f"{task.name}.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    ]
    assert [(one["id"], one["prompt"], one["target"], one["candidates"]) for one in lines] == [
        (row.id, row.prompt.text, row.target, list(row.candidates)) for row in rows
    ]
    text = (tmp_path / "out" / f"{task.name}.yaml").read_text(encoding="utf-8")
    told = yaml.safe_load(text.replace("!function ", ""))
    assert told["generation_kwargs"] == {"until": [], "do_sample": False, "max_gen_toks": LIMIT, "num_beams": 4}
    group = yaml.safe_load((tmp_path / "out" / "ecomgpt_shop.yaml").read_text(encoding="utf-8"))
    assert group["task"] == [f"ecomgpt_{task.name}" for task, _ in suite]
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    export_suite(suite, tmp_path / "out", config(beams=4), None)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_inputs_are_cut_as_in_the_evaluation(suite: Suite, tmp_path: Path, tokenizer: Any) -> None:
    longest = max(len(tokenizer(row.prompt.text)["input_ids"]) for _, rows in suite for row in rows)
    cut = export_suite(suite, tmp_path / "out", config(longest - 3), tokenizer)
    lines = [
        json.loads(line)
        for path in (tmp_path / "out").glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").split("\n")[:-1]
    ]
    shortened = [line for line in lines if line["cut_tokens"]]
    assert len(shortened) == cut > 0
    assert all(len(tokenizer(line["prompt"])["input_ids"]) <= longest - 3 for line in lines)
    assert all(line["prompt"].endswith("### Response:") for line in shortened)
    with pytest.raises(UserError, match=r"Shop.*max_prompt_tokens"):
        export_suite(suite, tmp_path / "out", config(32), tokenizer)


@pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm_eval is not installed: pip install 'ecomgpt[lm_eval]'"
)
@pytest.mark.parametrize("beams", [1, 3])
def test_the_harness_gives_the_same_answers(
    suite: Suite, tmp_path: Path, model: Any, tokenizer: Any, beams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lm_eval
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    export_suite(suite, tmp_path / "out", config(beams=beams), tokenizer)
    shutil.move(tmp_path / "out", tmp_path / "moved")  # The folder does not depend on where it lies.
    manager = TaskManager(include_path=str(tmp_path / "moved"), include_defaults=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = lm_eval.simple_evaluate(
            model="hf",
            model_args={"pretrained": str(tmp_path / "model"), "dtype": "float32"},
            tasks=["ecomgpt_shop"],
            task_manager=manager,
            device="cpu",
            batch_size=3,
            bootstrap_iters=0,
            log_samples=True,
        )
    answers = 0
    for task, rows in suite:
        expected = {
            rows[reply.row].id: reply.text for reply in answer(model, tokenizer, rows, Decoding(LIMIT, beams=beams))
        }
        samples = {one["doc"]["id"]: one["resps"][0][0] for one in found["samples"][f"ecomgpt_{task.name}"]}
        assert samples == expected
        answers += len(set(samples.values()))
    assert answers > 5
