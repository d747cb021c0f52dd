"""What a planned comparison could show."""

import pytest

from ecomgpt.__main__ import main
from ecomgpt.plan.power import detectable


def test_what_a_comparison_could_show_by_hand() -> None:
    """One seed without a seed effect: 2.8016 sqrt(0.3 / 3000)."""
    assert detectable(3000, 1, spread=0.0) == pytest.approx(2.8016 * (0.3 / 3000) ** 0.5, rel=1e-3)
    assert detectable(3000, 3) < detectable(3000, 1) and detectable(6000, 3) < detectable(3000, 3)
    # Rows without end leave the seeds: two arms of three have four degrees of freedom, t 2.776 + 0.941.
    assert detectable(10**9, 3) == pytest.approx(3.717 * (2 * 0.01**2 / 3) ** 0.5, rel=0.01)


def test_a_plan_says_it_beforehand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["job=plan", "measure=false", "eval.limit=40"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Power: 16 tasks x 40 rows x 1 / 3 / 5 seeds: a true difference of" in shown
