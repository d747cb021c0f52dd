"""A run that has begun to train goes on with its own mixture; another one is refused, and what changed is named."""

from pathlib import Path

import pytest

from ecomgpt.common.errors import UserError
from ecomgpt.data.fingerprint import changes
from ecomgpt.job.build import _require_same
from ecomgpt.runtime.directory import Run

OLD = {
    "fingerprint": "aaa",
    "examples": 1000,
    "tokens": 20000,
    "target_tokens": 900,
    "made_of": {
        "the files of shop": "1",
        "the files of gone": "2",
        "the code of ecomgpt/data": "3",
        "the configuration": "4",
    },
}
NEW = {
    "fingerprint": "bbb",
    "examples": 1010,
    "tokens": 20000,
    "target_tokens": 900,
    "made_of": {
        "the files of shop": "9",
        "the files of more": "2",
        "the code of ecomgpt/data": "3",
        "the configuration": "4",
    },
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    run.checkpoints.mkdir()
    return run


def test_what_changed_is_named(run: Run) -> None:
    (run.checkpoints / "step-5.ckpt").touch()
    with pytest.raises(UserError) as error:
        _require_same(OLD, NEW, run)
    _, *lines = str(error.value).split("\n")
    assert lines == [
        "the files of gone: no longer there",
        "the files of more: new",
        "the files of shop: changed",
        "examples: 1,000 before, 1,010 now",
    ]


def test_a_run_that_has_not_begun_takes_the_new_mixture(run: Run) -> None:
    _require_same(OLD, NEW, run)
    (run.checkpoints / ".writing-step-5.ckpt").touch()
    _require_same(OLD, NEW, run)


def test_the_same_mixture_goes_on(run: Run) -> None:
    (run.checkpoints / "step-5.ckpt").touch()
    _require_same(OLD, OLD, run)
    _require_same({}, NEW, run)
    assert changes(OLD["made_of"], OLD["made_of"]) == []


def test_a_trained_model_keeps_its_mixture(run: Run) -> None:
    run.model.mkdir()
    with pytest.raises(UserError, match="was trained on the mixture aaa, but the same command now gives bbb"):
        _require_same(OLD, NEW, run)
