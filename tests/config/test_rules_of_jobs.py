"""Rules of training do not stand in the way of other jobs."""

import pytest

from ecomgpt.common.errors import UserError
from ecomgpt.plan.configuration import configured


def test_an_evaluation_takes_any_number_of_processes() -> None:
    """What a step of training can't share out does not matter where nothing is trained."""
    shape = ["model=bloomz_560m", "trainer.batch_tokens=1000", "trainer.devices=2", "strategy=ddp"]
    for job in ("evaluate", "fit"):
        overrides = [f"job={job}", *shape]
        if job == "evaluate":
            configured(overrides)
        else:
            with pytest.raises(UserError, match=r"trainer\.batch_tokens=1000 is no multiple"):
                configured(overrides)
