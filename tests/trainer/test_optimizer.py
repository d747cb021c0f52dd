"""AdamW's groups, its float32 copies of 16-bit weights, and the schedule."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from ecomgpt.config.schema import StrategyConfig, TrainerConfig
from ecomgpt.trainer.optimizer import MasterAdamW, make_optimizer, schedule

SETTINGS: dict[str, Any] = {"lr": 1e-3, "betas": (0.9, 0.95), "eps": 1e-8}


RECIPE = (TrainerConfig(name="test", weight_decay=0.1), StrategyConfig(name="auto"))


def test_norms_and_biases_have_no_decay_and_frozen_weights_no_states() -> None:
    module = nn.Sequential(nn.Embedding(10, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 4))
    module[3].weight.requires_grad_(False)
    optimizer = make_optimizer(module, *RECIPE)
    decayed, rest = optimizer.param_groups
    assert {id(weight) for weight in decayed["params"]} == {id(module[0].weight), id(module[2].weight)}
    assert decayed["weight_decay"] == 0.1
    assert len(rest["params"]) == 4 and rest["weight_decay"] == 0.0


def steps(weight: nn.Parameter, optimizer: torch.optim.Optimizer, count: int, start: int = 0) -> None:
    for step in range(start, start + count):
        generator = torch.Generator().manual_seed(step)
        weight.grad = torch.randn(weight.shape, generator=generator).bfloat16().to(weight.dtype)
        optimizer.step()


def test_adapters_make_one_group() -> None:
    """DeepSpeed drops an empty group, and the schedule would have a learning rate too many."""
    optimizer = make_optimizer(nn.Linear(4, 4, bias=False), *RECIPE)
    assert [len(group["params"]) for group in optimizer.param_groups] == [1]


def test_updates_too_small_for_bfloat16_add_up_as_in_float32() -> None:
    start = torch.randn(20, 20).bfloat16()
    half, full = nn.Parameter(start.clone()), nn.Parameter(start.float())
    master = make_optimizer(nn.ParameterList([half]), *RECIPE)
    assert isinstance(master, MasterAdamW)
    plain = torch.optim.AdamW([{"params": [full], "weight_decay": 0.1}], lr=2e-5, betas=(0.9, 0.95), eps=1e-8)
    steps(half, master, 50)
    steps(full, plain, 50)
    torch.testing.assert_close(master.state[half]["master"], full.detach(), rtol=0, atol=1e-7)
    assert torch.equal(half, master.state[half]["master"].bfloat16())


def test_float32_copies_survive_a_checkpoint() -> None:
    start = torch.randn(8, 8).bfloat16()
    through, stopped = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    first = MasterAdamW([{"params": [through]}], **SETTINGS)
    steps(through, first, 6)
    second = MasterAdamW([{"params": [stopped]}], **SETTINGS)
    steps(stopped, second, 3)
    resumed = nn.Parameter(stopped.detach().clone())
    third = MasterAdamW([{"params": [resumed]}], **SETTINGS)
    third.load_state_dict(copy.deepcopy(second.state_dict()))
    steps(resumed, third, 3, start=3)
    assert torch.equal(resumed, through)
    assert torch.equal(third.state[resumed]["master"], first.state[through]["master"])


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant"])
def test_the_schedule_warms_up_and_ends_where_it_should(kind: str) -> None:
    trainer = TrainerConfig(name="test", warmup=0.1, schedule=kind, final_learning_rate=0.1)
    rates = [schedule(trainer, step, 100) for step in range(101)]
    assert rates[:10] == sorted(rates[:10]) and 0 < rates[0] < rates[9] < rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(1.0 if kind == "constant" else 0.1)
