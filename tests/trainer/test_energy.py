"""Energy from RAPL's counters and from a GPU's power, on files and functions that stand for them."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from ecomgpt.trainer import energy
from ecomgpt.trainer.energy import Energy


def zone(root: Path, name: str, called: str, value: int) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(called + "\n")
    (folder / "max_energy_range_uj").write_text("1000000000\n")
    (folder / "energy_uj").write_text(f"{value}\n")
    return folder


def test_counters_that_overlap_count_once_and_wrap(tmp_path: Path) -> None:
    package, memory = (
        zone(tmp_path, "intel-rapl:0", "package-0", 999_000_000),
        zone(tmp_path, "intel-rapl:0:1", "dram", 0),
    )
    core, whole = zone(tmp_path, "intel-rapl:0:0", "core", 5), zone(tmp_path, "intel-rapl:1", "psys", 5)
    assert set(energy.counters(tmp_path)) == {package, memory}
    with Energy(tmp_path, lambda: None) as meter:
        (package / "energy_uj").write_text("4000000")  # One joule to the end of the range, four after it.
        (memory / "energy_uj").write_text("2500000")
        for other in (core, whole):
            (other / "energy_uj").write_text("99000000")
    assert meter.joules == pytest.approx(7.5)


def test_a_gpus_power_is_summed_over_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((100.0, 110.0))
    monkeypatch.setattr(energy, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    watts = iter((200.0, 300.0))
    with Energy(tmp_path, lambda: next(watts)) as meter:
        pass
    assert meter.joules == pytest.approx(2500)


def test_where_nothing_can_be_read_nothing_is_said(tmp_path: Path) -> None:
    with Energy(tmp_path, lambda: None) as meter:
        pass
    assert meter.joules is None
