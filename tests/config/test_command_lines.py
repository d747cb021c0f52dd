"""Odd command lines, files and folders of the user's own, secrets: refused with one message, never with a traceback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecomgpt.__main__ import main
from ecomgpt.common.errors import UserError
from ecomgpt.config import compose, files
from ecomgpt.config.roots import shipped
from ecomgpt.plan.configuration import configured


def caught(*overrides: str) -> str:
    """The message of a command that must be refused."""
    with pytest.raises(UserError) as error:
        configured(list(overrides))
    return "\n".join(error.value.problems)


ODD = {
    "seed": "cannot be read",
    "@": "cannot be read",
    "=1": "unknown key ''",
    "seed=${nope}": "nope",
    "seed=${oc.env:NO_SUCH_VARIABLE_HERE}": "NO_SUCH_VARIABLE_HERE",
    "seed=${name}": "seed",
    "trainer.learning_rate=nan": "finite",
    "trainer.learning_rate=inf": "finite",
    "trainer.clip_norm=-inf": "finite",
    "trainer.betas=[0.9,nan]": "finite",
    "name=../outside": "can't name a directory",
    "name=/tmp": "can't name a directory",
    "name=.hidden": "can't name a directory",
    "name=" + "x" * 300: "can't name a directory",
    "model@other=bloom_tiny": "a group's place can't be changed",
    "hydra.foo=1": "foo",
    "hydra/launcher=nope": "nope",
    "trainer.max_stepz=1": "did you mean 'trainer.max_steps'?",
    "trainer.max_steps.more=1": "has no keys",
    "model.path=???": "'model.path' is not set",
    "data.weights=3": "expected a mapping",
    "data.weights={a:b}": "expected a number",
    "sources.options={a:3}": "expected a mapping",
    "data.tasks=[demo_store.intent_of_txt]": "did you mean",
    "data=": "no such option",
    "data={name:x,kindz:[raw]}": "did you mean 'kinds'",
    "data=[full_cot,nope]": "no such option",
    "hydrra.run.dir=x": "unknown key",
    "paths.conf=/nowhere/at/all": "does not exist",
}


@pytest.mark.parametrize("argument", ODD)
def test_odd_arguments(argument: str) -> None:
    assert ODD[argument] in caught(argument)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--nonsense"], "--nonsense"),
        (["--cfg", "nonsense"], "invalid choice"),
        (["--config-name", "x"], "paths.conf"),
        (["--multirun", "--cfg", "job"], "one of them"),
        (["--cfg", "job", "modle=x"], "did you mean 'model'"),
        (["--cfg", "job", "--resolve", "seed=${nope}"], "nope"),
        (["--multirun", "data=no_atomic,full_cott"], "did you mean 'full_cot'"),
        (["--multirun", "seed=1,x"], "expected a whole number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_flags(
    arguments: list[str], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert part in shown.err and shown.out == "" and list(tmp_path.iterdir()) == []


BROKEN = {
    "tab": "name: x\n\tbatch_tokens: 1\n",
    "quote": "name: 'x\n",
    "tag": "name: !!python/object:os.system x\n",
    "date": "name: 2024-13-45\n",
    "key_is_a_list": "[a]: 1\n",
    "two_documents": "name: x\n---\nname: y\n",
    "a_list": "- name\n",
    "a_word": "name\n",
    "control": "name: \x07\n",
    "nested_twice": "name: x\nbetas: [0.9, 0.9]\nbetas: [0.9, 0.9]\n",
}


@pytest.mark.parametrize("damage", BROKEN)
def test_broken_yaml_in_the_own_folder(damage: str, tmp_path: Path) -> None:
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "mine.yaml").write_text(BROKEN[damage], encoding="utf-8")
    for overrides in ([f"paths.conf={tmp_path}", "trainer=mine"], [f"paths.conf={tmp_path}"]):
        message = caught(*overrides)
        assert "mine.yaml" in message and "\n" not in message


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "trainer" / "folder.yaml").mkdir(parents=True)
    (tmp_path / "trainer" / "gone.yaml").symlink_to(tmp_path / "nothing")
    (tmp_path / "trainer" / "bytes.yaml").write_bytes(b"name: \xff\xfe\n")
    message = caught(f"paths.conf={tmp_path}")
    assert all(f"{name}.yaml" in message for name in ("folder", "gone", "bytes")) and message.count("\n") == 2


def test_a_name_that_the_package_has_would_not_be_read(tmp_path: Path) -> None:
    shutil.copytree(shipped("conf") / "trainer", tmp_path / "trainer")
    overrides = [f"paths.conf={tmp_path}", "trainer=finetune"]
    compose.composed(overrides, files.search_roots(overrides))  # A true copy does no harm.
    (tmp_path / "trainer" / "finetune.yaml").write_text("name: finetune\nlearning_rate: 1.0\n")
    assert "give it another name" in caught(*overrides)


def test_a_copy_of_the_whole_configuration_is_harmless(tmp_path: Path) -> None:
    shutil.copytree(shipped("conf"), tmp_path / "conf")
    overrides = [f"paths.conf={tmp_path / 'conf'}"]
    assert configured(overrides).paths.conf == str(tmp_path / "conf")


def test_folders_and_files_that_nobody_reads(tmp_path: Path) -> None:
    (tmp_path / "trainr").mkdir()
    (tmp_path / "trainr" / "mine.yaml").write_text("name: mine\n")
    (tmp_path / "config.yaml").write_text("seed: 3\n")
    message = caught(f"paths.conf={tmp_path}")
    assert "did you mean 'trainer'?" in message and "config.yaml: is not read" in message


@pytest.mark.parametrize(
    ("folder", "text", "part"),
    [
        ("sources/datasets", "name: mine\ntitel: x\n", "did you mean 'title'"),
        ("sources/datasets", "name: [\n", "broken YAML"),
        ("tasks/product_matching", "name: mine\nfamilly: x\n", "did you mean 'family'"),
        ("eval/tasks/own", "name: mine\nlanguage: xx\n", "'language'"),
    ],
)
def test_declarations_of_the_own_folder(folder: str, text: str, part: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "mine.yaml").write_text(text)
    message = caught(f"paths.conf={tmp_path}")
    assert part in message and "mine.yaml" in message


def test_folders_with_spaces_and_quotes_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "my conf, it's (new)"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "mine.yaml").write_text("name: mine\n")
    config = compose.composed(["data=mine"], files.search_roots([], str(folder)))
    assert config.data.name == "mine"


def test_a_checkout_with_a_data_folder_gains_no_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The studies lie beside conf/ in a checkout, and so may the user's data.
    (tmp_path / "experiments").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "stray.yaml").write_text("name: stray\n")
    real = files.shipped
    monkeypatch.setattr(files, "shipped", lambda name: tmp_path / name if name == "experiments" else real(name))
    assert "stray" not in files.options("data", files.search_roots([]))


def test_secrets_are_refused_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    assert "holds the secret of $OPENAI_API_KEY" in caught("sources.options.demo_store.note=sk-0123456789")
    message = caught("sources.options.demo_store.note=${oc.env:OPENAI_API_KEY}")
    assert "sources.options.demo_store.note" in message and "sk-0123456789" not in message
    assert "environment variable" in caught("sources.options.demo_store.hub_token=abc")


BROKEN_STUDY = "# @package _global_\ntrainer:\n  max_stepz: 3\n"


def test_studies_are_checked_like_everything_else(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "mine.yaml").write_text(BROKEN_STUDY)
    message = caught(f"paths.conf={tmp_path}", "+experiments=mine")
    assert "mine.yaml:3" in message and "did you mean 'max_steps'" in message
    assert "+experiments=mine" in caught(f"paths.conf={tmp_path}", "experiments=mine")


@pytest.mark.parametrize("output", ["/proc/x", "/dev/null/x", "{file}/x"])
def test_output_that_can_not_be_written_through_the_command(output: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    output = output.format(file=tmp_path / "file")
    done = subprocess.run(
        [sys.executable, "-m", "ecomgpt", "job=build", f"paths.output={output}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "ECOMGPT_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("ecomgpt: paths.output: ") and done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_broken_yaml_through_the_command(tmp_path: Path) -> None:
    (tmp_path / "conf" / "trainer").mkdir(parents=True)
    (tmp_path / "conf" / "trainer" / "mine.yaml").write_text("name: [x\n")
    done = subprocess.run(
        [sys.executable, "-m", "ecomgpt", "paths.conf=conf", "trainer=mine"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert "mine.yaml:2: broken YAML" in done.stderr


@pytest.mark.parametrize(
    "order",
    [
        ["seed=7", "--cfg", "job", "data=no_atomic"],
        ["--cfg", "job", "seed=7", "data=no_atomic"],
        ["seed=7", "data=no_atomic", "--cfg", "job"],
    ],
)
def test_flags_stand_anywhere_among_the_overrides(order: list[str]) -> None:
    shown = subprocess.run([sys.executable, "-m", "ecomgpt", *order], capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    assert "\nseed: 7\n" in shown.stdout and "name: no_atomic" in shown.stdout
