"""What the keys say about themselves, and everything that is made from it."""

import subprocess
import sys
from pathlib import Path

import pytest

from ecomgpt import __version__
from ecomgpt.__main__ import main
from ecomgpt.common.errors import UserError
from ecomgpt.config import help
from ecomgpt.config.flat import QUIET
from ecomgpt.config.options import JOBS
from ecomgpt.config.schema import KEYS
from ecomgpt.data import fingerprint
from ecomgpt.plan.configuration import configured
from ecomgpt.runtime.directory import MAY_DIFFER


@pytest.mark.parametrize("name", KEYS)
def test_every_key_says_what_it_means_and_who_reads_it(name: str) -> None:
    key = KEYS[name]
    assert key.help.strip(" .") == key.help and key.jobs and set(key.jobs) <= set(JOBS)
    assert not key.says("resume") or key.decides in ("nothing", "training"), "a mixture or a suite stays what it is"
    assert not key.says("per_machine") or key.says("resume")


def test_what_the_lists_are_made_of() -> None:
    assert fingerprint.OF_TOKENS == ("max_length", "budget") and fingerprint.OF_NOTHING == ("processes",)
    assert {"strategy.kind", "trainer.devices", "trainer.on_anomaly", "paths.cache", "chat.budget"} <= MAY_DIFFER
    assert not {"seed", "model.path", "data.max_length", "trainer.batch_tokens", "run", "job.name"} & MAY_DIFFER
    assert {"run", "job.name", "paths.output", "trainer.log_every"} <= QUIET
    assert not {"strategy.kind", "trainer.devices", "trainer.on_anomaly", "seed"} & QUIET, "arms may differ in these"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("job=fit run=outputs/first", "run=outputs/first belongs to job=evaluate or rescore or predict"),
        ("merge=false", "merge=false belongs to job=export, not to job=run"),
        ("preview=2", "preview=2 belongs to job=build, not to job=run"),
        ("job=plan input=questions.jsonl", "input=questions.jsonl belongs to job=predict"),
        ("job=build reference=no_atomic", "reference=no_atomic belongs to job=report"),
        ("compare.judge=true", "compare.judge=true belongs to job=compare"),
        ("pseudo.limit=3", "pseudo.limit=3 belongs to job=pseudo_label"),
    ],
)
def test_keys_that_the_job_would_ignore_are_refused(line: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        configured(line.split())
    assert message in "\n".join(error.value.problems)


def test_keys_of_groups_and_the_defaults_of_others_pass() -> None:
    configured(["job=build", "trainer.max_steps=3", "merge=true", "measure=null"])


@pytest.mark.parametrize("job", JOBS)
def test_help_of_a_job_names_what_it_reads(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"job={job}", "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"job={job} - " in shown and "python -m ecomgpt" in shown
    for name, key in KEYS.items():
        assert (f"\n    {name}=" in shown) == (job in key.jobs and name != "job.name"), name


def test_help_of_an_unknown_job_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help", "job=evalute"]) == 2
    assert "did you mean 'evaluate'?" in capsys.readouterr().err


def test_help_imports_neither_hydra_nor_omegaconf() -> None:
    code = (
        "import sys\nfrom ecomgpt.__main__ import main\nmain(['job=fit', '--help'])\n"
        "assert not {'hydra', 'omegaconf', 'torch', 'numpy', 'pydantic'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ecomgpt {__version__}\n"


def test_the_reference_page_is_the_one_of_this_code() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference.md"
    assert page.read_text(encoding="utf-8") == help.reference(), "run `just docs`"


def test_debug_overlays_lie_over_any_model() -> None:
    tiny = configured(["+debug=tiny", "data=no_atomic"])
    assert tiny.trainer.max_steps == 4 and tiny.eval.limit == 4 and tiny.data.name == "no_atomic"
    overfit = configured(["+debug=overfit", "trainer.max_steps=7"])
    assert (overfit.data.max_tasks, overfit.trainer.max_steps, overfit.eval.tasks) == (1, 7, [])
    with pytest.raises(UserError, match=r"\+debug=tiny"):
        configured(["debug=tiny"])
    with pytest.raises(UserError, match="did you mean 'tiny'"):
        configured(["+debug=tinny"])
