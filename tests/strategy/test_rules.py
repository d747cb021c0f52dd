"""Strategies that can't work are refused before any work, in a sentence that says what would."""

import pytest

from ecomgpt.config import rules
from ecomgpt.config.schema import Config, StrategyConfig, TrainerConfig
from ecomgpt.plan import preflight
from ecomgpt.runtime.machine import Machine


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"kind": "fsdp", "offload_optimizer": True},
            "strategy.offload_parameters=true moves the optimizer's states too",
        ),
        ({"kind": "ddp", "offload_optimizer": True}, "strategy.offload_optimizer is DeepSpeed's"),
        (
            {"kind": "ddp", "offload_parameters": True},
            "strategy.offload_parameters needs strategy=fsdp or deepspeed_zero3",
        ),
        ({"kind": "deepspeed", "stage": 2, "offload_parameters": True}, "needs strategy=fsdp or deepspeed_zero3"),
        ({"kind": "deepspeed", "stage": 0}, "strategy.stage is 0"),
    ],
)
def test_offloading_that_is_not_there(settings: dict, message: str) -> None:
    found = list(rules.devices(Config(strategy=StrategyConfig(name="mine", **settings))))
    assert len(found) == 1 and message in found[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "fsdp", "offload_parameters": True},
        {"kind": "deepspeed", "stage": 3, "offload_optimizer": True, "offload_parameters": True},
    ],
)
def test_offloading_that_is(settings: dict) -> None:
    assert not list(rules.devices(Config(strategy=StrategyConfig(name="mine", **settings))))


def test_a_compiler_is_asked_for_where_deepspeed_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    offload = StrategyConfig(name="deepspeed_zero3_offload", kind="deepspeed", stage=3, offload_optimizer=True)
    config = Config(strategy=offload, trainer=TrainerConfig(devices=1))
    gpu, cpu = (Machine(devices, 80 * 10**9, 10**12, "machine", True) for devices in (1, 0))
    monkeypatch.setattr(preflight.shutil, "which", lambda name: None)
    assert "needs a C++ compiler (g++) and ninja: apt install g++" in next(preflight._devices(config, gpu))
    assert not list(preflight._devices(config, cpu)), "a rehearsal needs none"
    monkeypatch.setattr(preflight.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert not list(preflight._devices(config, gpu))
