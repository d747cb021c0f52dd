"""Mistakes of every sort: each is caught before any work, named, and answered with the nearest valid name."""

import subprocess
import sys
import typing
from pathlib import Path

import pytest
import yaml

from ecomgpt.__main__ import main
from ecomgpt.common.errors import UserError
from ecomgpt.config.files import options
from ecomgpt.config.roots import shipped
from ecomgpt.config.schema import GROUPS, KEYS
from ecomgpt.plan.configuration import configured

LEAVES = list(KEYS.values())
OPTIONS = [(group, name) for group in GROUPS for name in options(group, [shipped("conf")])]


def caught(overrides: list[str]) -> str:
    """The message of a command that must be refused."""
    with pytest.raises(UserError) as error:
        configured(overrides)
    return "\n".join(error.value.problems)


def misspelt(word: str) -> str:
    return word[:-1] + "z" if len(word) > 2 else word + "z"


@pytest.mark.parametrize("key", KEYS)
def test_misspelt_keys(key: str) -> None:
    wrong = ".".join([*key.split(".")[:-1], misspelt(key.split(".")[-1])])
    message = caught([f"{wrong}=1"])
    assert f"unknown key '{wrong}'" in message and "did you mean" in message


@pytest.mark.parametrize(("group", "name"), OPTIONS, ids="/".join)
def test_misspelt_options(group: str, name: str) -> None:
    message = caught([f"{group}={misspelt(name)}"])
    assert f"{group}={misspelt(name)}" in message and "did you mean" in message


def wrong_value(hint: typing.Any) -> str | None:
    """A value that no branch of the type takes."""
    text = str(hint)
    if "list" in text:
        return "1.5"
    if "dict" in text:
        return "[1]"
    if "bool" in text or "int" in text or "float" in text:
        return "[a]"
    return "[1]"


@pytest.mark.parametrize(("key", "hint"), [(key.name, key.hint) for key in LEAVES])
def test_wrong_types(key: str, hint: typing.Any) -> None:
    assert f"'{key}'" in caught([f"{key}={wrong_value(hint)}"])


LIMITED = {key.name: key.meaning for key in LEAVES if {"low", "high", "choices"} & set(key.meaning)}


@pytest.mark.parametrize("key", LIMITED)
def test_values_out_of_limits(key: str) -> None:
    limits = LIMITED[key]
    if "choices" in limits:
        value = misspelt(str(limits["choices"][0]))
    elif "low" in limits:
        value = str(limits["low"] - 1)
    else:
        value = str(limits["high"] + 1)
    assert f"'{key}'" in caught([f"{key}={value}"])


FILES = [(group, name) for group, name in OPTIONS if group != "job" and "/" not in group]


@pytest.mark.parametrize(("group", "name"), FILES, ids="/".join)
@pytest.mark.parametrize("damage", ["typo", "type", "broken", "twice"])
def test_damaged_files(tmp_path: Path, group: str, name: str, damage: str) -> None:
    original = options(group, [shipped("conf")])[name]
    text = original.read_text(encoding="utf-8")
    in_package = "_global_" in text.split("\n")[0]
    indent = "  " if in_package else ""
    head = f"{group}:\n" if in_package else ""
    damaged = {
        "typo": text.replace(f"{indent}name: ", f"{indent}nmae: ", 1),
        "type": text.replace(f"{indent}name: ", f"{indent}name: [1] # ", 1),
        "broken": f"{head}{indent}name: [x\n",
        "twice": text.rstrip("\n") + f"\n{'' if in_package else indent}{group if in_package else 'name'}: x\n",
    }[damage]
    (tmp_path / group).mkdir()
    (tmp_path / group / "mine.yaml").write_text(damaged, encoding="utf-8")
    message = caught([f"paths.conf={tmp_path}", f"{group}=mine"])
    assert "mine.yaml:" in message
    if damage == "typo":
        assert "did you mean 'name'?" in message


COMBINATIONS = {
    "strategy=auto trainer.devices=2 trainer.batch_tokens=2048": "strategy=auto",
    "trainer.batch_tokens=1000": "trainer.batch_tokens",
    "trainer.row_tokens=64": "trainer.row_tokens",
    "trainer.accelerator=gpu": "trainer.accelerator=gpu",
    "trainer.precision=fp16-mixed trainer.accelerator=cpu": "fp16-mixed",
    "eval.decoding=rank eval.beams=4": "eval.beams",
    "model=openai model.path=x": "job=evaluate",
    "model=predictions model.path=x": "job=evaluate",
    "job=rescore": "run=<its directory>",
    "eval.also=[held_uot]": "did you mean 'held_out'",
    "eval.mixture=[unsen]": "did you mean 'unseen'",
    "model=hf": "model.path",
    "model.path=": "model.path is empty",
    "job=list": "no such option; known: build, compare,",
    "sources.datasets=[tea]": "no 'tea' in conf/sources/datasets; known: ",
    "model.hidden_size=100 model.heads=3": "model.heads",
    "data.kinds=[]": "data.kinds",
    "data.kinds=[atom]": "did you mean 'atomic'",
    "data.languages=[de]": "data.languages",
    "data.validation=0.5 data.test=0.5": "data.validation",
    "trainer.betas=[0.9]": "trainer.betas",
    "job=report": "run=",
    "job=export run=nowhere": "no run directory",
    "job=export format=lm_eval push_to=me/it": "push_to is for models",
    "job=export merge=false dtype=bfloat16": "adapters (merge=false) stay float32",
    "job=predict": "input=",
    "eval.tasks=[en-demo-category_chek]": "did you mean 'en-demo-category_check'",
    "sources.datasets=[demo_stor]": "did you mean 'demo_store'",
    "data.tasks=[intent_of_txt]": "did you mean 'intent_of_text'",
    "data.families=[product_matchin]": "did you mean 'product_matching'",
    "data=no_atomic,full_cot": "--multirun",
    "~model": "can't be removed",
    "+trainer.max_steps=3": "without the plus",
    "+x=1": "unknown key",
    "name=a=b": "cannot be read",
    "name='..'": "can't name a directory",
    "paths.output=/dev/null/x": "is a file",
}


@pytest.mark.parametrize("line", COMBINATIONS)
def test_impossible_combinations(line: str) -> None:
    assert COMBINATIONS[line] in caught(line.split())


def test_missing_values_are_named(tmp_path: Path) -> None:
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "mine.yaml").write_text("name: mine\nlearning_rate: ???\n")
    assert "'trainer.learning_rate' is not set" in caught([f"paths.conf={tmp_path}", "trainer=mine"])


def test_all_problems_at_once() -> None:
    message = caught(["modle=x", "model=bloomz_3B", "trainer.max_stepz=1", "eval.limit=0"])
    assert len(message.split("\n")) == 4


@pytest.mark.parametrize("argument", ["modle=x", "model=bloomz_3B", "trainer.max_stepz=1", "--mutlirun"])
def test_one_message_exit_code_two_and_nothing_on_disk(argument: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ecomgpt", argument], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and done.stdout == ""
    assert (
        done.stderr.startswith("ecomgpt: ")
        and "Traceback" not in done.stderr
        and len(done.stderr.strip().split("\n")) == 1
    )
    assert list(tmp_path.iterdir()) == []


def test_the_large_default_explains_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("ECOMGPT_DATA", raising=False)
    assert main(["model=bloomz_7b1", "data=full_cot", "trainer.accelerator=cpu"]) == 2
    message = capsys.readouterr().err
    for part in ("weights", "gradients", "optimizer", "activations", "model.path", "paths.data", "could train"):
        assert part in message
    assert len(message.split("\n")) < 24


def test_shipped_yaml_opens_with_the_command_that_uses_it() -> None:
    for path in shipped("conf").rglob("*.yaml"):
        head = path.read_text(encoding="utf-8").split("\n")[:4]
        if path.parent.parent.name != "tasks" and "datasets" not in path.parts:
            assert any("python -m ecomgpt" in line for line in head), path
        assert yaml.safe_load(path.read_text(encoding="utf-8")), path
