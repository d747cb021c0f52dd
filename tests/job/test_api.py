"""The functions of `ecomgpt` for scripts and notebooks, and the examples that show them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import TINY

import ecomgpt

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = [
    *TINY,
    "data.tasks=[product_category,intent_of_text]",
    "trainer.max_steps=2",
    "trainer.loggers=[]",
    "eval.limit=2",
    "eval.tasks=[en-demo-product_category]",
]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ECOMGPT_CACHE", str(tmp_path / "cache"))


def python(*arguments: str, timeout: int = 120) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=timeout, env=environment
    )


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = "import sys, ecomgpt; ecomgpt.__version__; print(sorted({'torch', 'hydra', 'numpy'} & set(sys.modules)))"
    done = python("-c", script)
    assert done.stdout == "[]\n", done.stderr
    assert (ROOT / "ecomgpt" / "py.typed").is_file()


def test_every_promised_name_is_there_and_stays_what_it_is() -> None:
    import ecomgpt.reporting.text
    import ecomgpt.runtime.directory

    assert all(callable(getattr(ecomgpt, name)) for name in ecomgpt.__all__)
    assert ecomgpt.run.__doc__ and "Runs a job" in ecomgpt.run.__doc__
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        ecomgpt.tarin  # noqa: B018


def test_a_configuration_is_checked_and_runs_as_its_overrides_do(tmp_path: Path) -> None:
    with pytest.raises(ecomgpt.UserError, match="did you mean 'seed'"):
        ecomgpt.compose("sed=3")
    for odd in (3, None, ["seed=1"]):
        with pytest.raises(ecomgpt.UserError, match="is no text; give overrides one by one"):
            ecomgpt.compose(odd)
    config = ecomgpt.compose(*SETTINGS, "name=first")
    mixture = ecomgpt.build(config)
    assert mixture.manifest["examples"] == len(mixture.examples("train"))
    result = ecomgpt.run(config)
    assert result.directory == tmp_path / "outputs" / "first" and result.training["steps"] == 2
    task = result.metrics["tasks"]["en-demo-product_category"]["metrics"]
    assert result.scores == {"en-demo-product_category": {name: one["value"] for name, one in task.items()}}
    assert result.averages["all"]["primary"] == result.metrics["averages"]["all"]["metrics"]["primary"]["value"]
    again = ecomgpt.evaluate("run=outputs/first", "name=again", *SETTINGS[-3:])
    assert again.scores == result.scores and again.config.job.name == "evaluate"
    assert ecomgpt.report("run=outputs/first").directory == result.directory
    with pytest.raises(ecomgpt.UserError, match="is finished"):
        ecomgpt.run(config)


def test_a_configuration_that_was_changed_is_checked_again() -> None:
    config = ecomgpt.compose(*SETTINGS)
    config.trainer.max_steps = -1
    with pytest.raises(ecomgpt.UserError, match=r"trainer\.max_steps"):
        ecomgpt.train(config)


def test_a_failed_job_raises_with_its_cause(tmp_path: Path) -> None:
    run = tmp_path / "outputs" / "broken"
    run.mkdir(parents=True)
    (run / "status.json").write_text('{"state": "failed"}')
    (run / "checkpoints").write_text("a file in the place of the folder")
    with pytest.raises(ecomgpt.JobFailure) as caught:
        ecomgpt.train(*SETTINGS, "eval=none", "name=broken", "trainer.checkpoint_every=1")
    assert "run.log" in caught.value.__notes__[0]
    assert json.loads((run / "status.json").read_text())["state"] == "failed"


@pytest.mark.parametrize(
    "call",
    [
        "from ecomgpt.__main__ import main; code = main(['job=build', 'name=x']); raise SystemExit(code)",
        "import ecomgpt; ecomgpt.run('job=build', 'name=x')",
        "import logging, ecomgpt; logging.getLogger(__name__); ecomgpt.run('job=build', 'name=x', *SETTINGS)",
        "import ecomgpt\necomgpt.run('job=build', 'name=x', *SETTINGS)\nif __name__ == '__main__':\n    print('done')",
    ],
)
def test_a_script_without_a_guard_is_refused_and_does_not_hang(call: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(f"SETTINGS = {SETTINGS[:6]!r} + ['data.processes=2']\n{call}\n")
    done = python("script.py")
    assert done.returncode and 'under `if __name__ == "__main__":`' in done.stderr
    assert done.stderr.count("starts child processes") == 1 and not (tmp_path / "outputs").exists()


def test_a_script_with_a_guard_runs(tmp_path: Path) -> None:
    overrides = ["job=build", *SETTINGS, "data.processes=2"]
    script = f"import ecomgpt\nif __name__ == '__main__':\n    ecomgpt.run(*{overrides!r})\n"
    (tmp_path / "script.py").write_text(script)
    done = python("script.py")
    assert done.returncode == 0, done.stderr


def test_the_notebook_is_valid_and_stripped() -> None:
    notebook = json.loads((ROOT / "examples" / "quickstart.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4 and len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        assert cell["cell_type"] == "markdown" or (cell["outputs"] == [] and cell["execution_count"] is None)


@pytest.mark.slow
def test_the_quickstart_runs() -> None:
    done = python(str(ROOT / "examples" / "quickstart.py"), timeout=600)
    assert done.returncode == 0 and "average:" in done.stdout, done.stderr


@pytest.mark.slow
def test_the_notebook_runs() -> None:
    """Its cells one after another in one interpreter without a script, as a kernel runs them."""
    cells = json.loads((ROOT / "examples" / "quickstart.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    done = python("-c", code, timeout=600)
    assert done.returncode == 0 and "loss" in done.stdout, done.stderr
