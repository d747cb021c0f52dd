"""The real command from start to end on a tiny model: what docs/files.md promises, determinism, resuming, export."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support import TINY, read_instructions

SETTINGS = [
    *TINY,
    "data.tasks=[product_category,intent_of_text,polarity_of_aspect]",
    "trainer.checkpoint_every=4",
    "eval.limit=4",
    "eval.tasks=[en-demo-product_category,zh-demo-intent_of_text]",
]


def ecomgpt(folder: Path, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ecomgpt", *SETTINGS, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        **settings,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with one finished run in it, and a cache of its own."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ECOMGPT_CACHE", str(folder / "cache"))
        done = ecomgpt(folder, "name=first", "trainer.max_steps=12")
        assert done.returncode == 0, done.stderr
        yield folder


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_file_of_the_docs_is_there(home: Path) -> None:
    run = home / "outputs" / "first"
    for name in (
        "config.yaml",
        "environment.json",
        "status.json",
        "data/manifest.json",
        "metrics.json",
        "report.md",
        "report.html",
        "model/model.safetensors",
        "model/tokenizer.json",
        "model/generation_config.json",
        "model/README.md",
        "logs/metrics.csv",
        "logs/run.log",
        "predictions/en-demo-product_category.jsonl",
    ):
        assert (run / name).stat().st_size > 0, name
    assert list((run / "figures").glob("*.png")) and list((run / "logs").rglob("events.out.tfevents*"))
    assert all("=" not in path.name for path in (run / "checkpoints").iterdir())
    status = read(run / "status.json")
    assert status["state"] == "done" and status["error"] is None and status["started"] <= status["finished"]


def test_manifest_and_metrics_hold_what_the_docs_say(home: Path) -> None:
    manifest = read(home / "outputs/first/data/manifest.json")
    assert manifest["examples"] == sum(task["examples"] for task in manifest["tasks"]) > 0
    assert manifest["tokens"] == sum(task["tokens"] for task in manifest["tasks"])
    for task in manifest["tasks"]:
        assert {
            "name",
            "source",
            "language",
            "kind",
            "label",
            "operation",
            "examples",
            "tokens",
            "dropped",
            "truncated",
        } <= set(task)
        not_made = sum(number for reason, number in task["dropped"].items() if reason.startswith("not made"))
        assert task["made"] == task["examples"] + sum(task["dropped"].values()) - not_made
    for source in manifest["sources"].values():
        assert source["read"] == source["kept"] + sum(source["dropped"].values())
    metrics = read(home / "outputs/first/metrics.json")
    assert {"tasks", "averages", "training", "settings", "untrained", "baselines"} <= set(metrics)
    for task in metrics["tasks"].values():
        assert all({"value", "low", "high"} == set(score) for score in task["metrics"].values()) and 1 <= task["n"] <= 4
    training = metrics["training"]
    assert training["steps"] == 12 and training["tokens_per_second"] > 0 and training["peak_memory_bytes"] > 0
    row = json.loads((home / "outputs/first/predictions/en-demo-product_category.jsonl").read_text().split("\n")[0])
    assert {"id", "prompt", "target", "prediction", "parsed", "valid"} <= set(row)


def test_test_products_are_not_trained_on(home: Path) -> None:
    (folder,) = (home / "cache" / "instructions").glob("[!.]*")
    trained = {row.group for row in read_instructions(folder / "train.arrow")}
    lines = (home / "outputs/first/predictions/en-demo-product_category.jsonl").read_text().strip().split("\n")
    products = {json.loads(line)["id"].split("/", 1)[1] for line in lines}
    assert products and not any(product in trained for product in products)


def test_one_seed_gives_the_same_metrics_and_another_does_not(home: Path) -> None:
    assert ecomgpt(home, "name=second", "trainer.max_steps=12").returncode == 0
    assert ecomgpt(home, "name=third", "trainer.max_steps=12", "seed=2").returncode == 0
    volatile = ("tokens_per_second", "seconds", "mfu", "peak_memory_bytes")
    found = {}
    for name in ("first", "second", "third"):
        metrics = read(home / "outputs" / name / "metrics.json")
        metrics["training"] = {key: value for key, value in metrics["training"].items() if key not in volatile}
        metrics["settings"].pop("model")
        found[name] = metrics
    assert found["first"] == found["second"]
    assert found["first"]["training"]["final_loss"] != found["third"]["training"]["final_loss"]


def test_a_finished_run_is_refused_and_another_configuration_too(home: Path) -> None:
    again = ecomgpt(home, "name=first", "trainer.max_steps=12")
    assert again.returncode == 2 and "finished" in again.stderr and "overwrite=true" in again.stderr


def weights(run: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(run / "model" / "model.safetensors")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(home: Path, number: signal.Signals) -> None:
    long = ["trainer.max_steps=60", "eval=none", "eval.tasks=[]"]
    if not (home / "outputs" / "whole" / "model").exists():
        assert ecomgpt(home, "name=whole", *long).returncode == 0
    name = f"stopped-{number.name}"
    process = subprocess.Popen(
        [sys.executable, "-m", "ecomgpt", *SETTINGS, f"name={name}", *long],
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    run = home / "outputs" / name
    deadline = time.time() + 120
    while not list((run / "checkpoints").glob("step-*.ckpt")) and time.time() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    _, message = process.communicate(timeout=120)
    assert not (run / "model").exists(), "it ended before it could be stopped"
    if number != signal.SIGKILL:
        assert process.returncode == 1 and read(run / "status.json")["state"] == "interrupted" and name in message
    changed = ecomgpt(home, f"name={name}", *long, "trainer.learning_rate=0.5")
    assert changed.returncode == 2 and "trainer.learning_rate was 0.001, is now 0.5" in changed.stderr
    if number == signal.SIGTERM:  # A model that was exported half-way is not taken for the trained one.
        assert ecomgpt(home, "job=export", f"run={run}").returncode == 0 and (run / "model" / "config.json").is_file()
    done = ecomgpt(home, f"name={name}", *long)
    assert done.returncode == 0 and "continuing from step-" in done.stdout, done.stderr
    expected, found = weights(home / "outputs" / "whole"), weights(run)
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    steps = [line.split(",")[0] for line in (run / "logs" / "metrics.csv").read_text().strip().split("\n")[1:]]
    assert steps == [str(step) for step in range(1, 61)]


def test_the_exported_model_answers_the_same_in_plain_transformers(home: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = home / "outputs" / "first" / "model"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert not list(folder.glob("*.bin"))
    for line in (home / "outputs/first/predictions/en-demo-product_category.jsonl").read_text().strip().split("\n"):
        row = json.loads(line)
        ids = tokenizer(row["prompt"], return_tensors="pt")
        output = model.generate(**ids, max_new_tokens=24, do_sample=False)[0, ids["input_ids"].shape[1] :]
        assert tokenizer.decode(output, skip_special_tokens=True) == row["prediction"]


def test_export_report_predict_and_evaluate_work_on_the_run(home: Path) -> None:
    run = home / "outputs" / "first"
    before = weights(run)
    assert ecomgpt(home, "job=export", f"run={run}", "dtype=bfloat16").returncode == 0
    assert all(torch.equal(value, before[key].to(torch.bfloat16)) for key, value in weights(run).items())
    assert ecomgpt(home, "job=export", f"run={run}").returncode == 0
    assert all(torch.equal(value, before[key]) for key, value in weights(run).items())
    (run / "report.html").unlink()
    assert ecomgpt(home, "job=report", f"run={run}").returncode == 0 and (run / "report.html").is_file()
    (home / "questions.jsonl").write_text('{"instruction": "Which category?", "input": "a kettle"}\n')
    done = ecomgpt(home, "job=predict", f"run={run}", "input=questions.jsonl")
    assert done.returncode == 0 and json.loads((run / "predict" / "questions.jsonl").read_text())["id"] == "1", (
        done.stderr
    )
    done = ecomgpt(home, "job=evaluate", f"run={run}", "name=again")
    assert done.returncode == 0, done.stderr
    ours, again = (read(home / "outputs" / name / "metrics.json")["tasks"] for name in ("first", "again"))
    assert {name: task["metrics"] for name, task in ours.items()} == {
        name: task["metrics"] for name, task in again.items()
    }


def test_a_bloom_on_disk_runs_under_a_bloomz_name(home: Path) -> None:
    model = home / "outputs" / "first" / "model"
    done = ecomgpt(
        home,
        "model=bloomz_560m",
        f"model.path={model}",
        "sources=demo",
        "eval=demo",
        "name=own",
        "trainer.max_steps=2",
        "trainer.batch_tokens=1024",
        "data.max_length=256",
        "data.leaks.enabled=false",
    )
    assert done.returncode == 0, done.stderr


def test_lora_is_merged_on_export(home: Path) -> None:
    done = ecomgpt(home, "tuning=lora", "name=lora", "trainer.max_steps=4")
    assert done.returncode == 0, done.stderr
    assert set(weights(home / "outputs" / "lora")) == set(weights(home / "outputs" / "first"))


def test_unwritable_output_and_broken_data_are_one_message(home: Path) -> None:
    done = ecomgpt(home, "paths.output=/dev/null/x")
    assert done.returncode == 2 and len(done.stderr.strip().split("\n")) == 1
