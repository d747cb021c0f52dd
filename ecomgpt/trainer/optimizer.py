"""AdamW and its learning rate over the steps."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.adamw import adamw

from ecomgpt.config.schema import StrategyConfig, TrainerConfig
from ecomgpt.runtime.machine import on_gpu
from ecomgpt.strategy.registry import strategy_of


def make_optimizer(module: nn.Module, trainer: TrainerConfig, strategy: StrategyConfig) -> torch.optim.Optimizer:
    """AdamW over the weights that are trained, matrices with decay and the rest without.

    Args:
        module: Its trained weights are taken.
        trainer: The recipe.
        strategy: Whether DeepSpeed keeps states in main memory.
    """
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if _is_matrix(weight)], "weight_decay": trainer.weight_decay},
        {"params": [weight for weight in weights if not _is_matrix(weight)], "weight_decay": 0.0},
    ]
    # Adapters are matrices alone; DeepSpeed drops an empty group, which the schedule would miss.
    groups = [group for group in groups if group["params"]]
    settings: dict[str, Any] = {"lr": trainer.learning_rate, "betas": tuple(trainer.betas), "eps": 1e-8}
    if strategy.offload_optimizer and on_gpu(trainer):
        from deepspeed.ops.adam import DeepSpeedCPUAdam

        return DeepSpeedCPUAdam(groups, adamw_mode=True, **settings)
    half = any(weight.dtype != torch.float32 for weight in weights)
    if half and not strategy_of(strategy).own_masters:
        return MasterAdamW(groups, **settings)
    optimizer = torch.optim.AdamW(groups, fused=True, **settings)
    # Fused AdamW could undo fp16's loss scale itself, but then Lightning can't clip before; the scaler does it as well.
    optimizer._step_supports_amp_scaling = False
    return optimizer


def _is_matrix(weight: nn.Parameter) -> bool:
    # ZeRO stage 3 leaves an empty vector in a weight's place, and its shape in `ds_shape`.
    return len(getattr(weight, "ds_shape", weight.shape)) >= 2


class MasterAdamW(torch.optim.Optimizer):
    """AdamW for 16-bit weights, on float32 copies of them and with float32 moments.

    bfloat16 has 8 significant bits, so an update below a 256th of a weight, as nearly all are in fine-tuning, would be
    rounded away. The copies are states, so checkpoints and sharding strategies carry them with the moments.

    Args:
        groups: Parameter groups, with ``weight_decay`` each.
        lr: Learning rate.
        betas: Decay of the two moments.
        eps: Added to the root of the second moment.
    """

    def __init__(self, groups: Any, lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the copies and rounds them into the weights."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            states = [self._state(weight) for weight in weights]
            masters, first, second, steps = (
                [state[name] for state in states] for name in ("master", "exp_avg", "exp_avg_sq", "step")
            )
            adamw(
                masters,
                [weight.grad.float() for weight in weights],
                first,
                second,
                [],
                steps,
                fused=True,
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )
            for weight, master in zip(weights, masters, strict=True):
                weight.copy_(master)
        return loss

    def _state(self, weight: torch.Tensor) -> dict[str, Any]:
        state = self.state[weight]
        if not state:
            master = weight.detach().float().clone()
            state.update(
                step=torch.zeros((), dtype=torch.float32, device=weight.device),
                master=master,
                exp_avg=torch.zeros_like(master),
                exp_avg_sq=torch.zeros_like(master),
            )
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keeps states float32, where PyTorch would round them to the weights' format."""
        super().load_state_dict(state_dict)
        weights = [weight for group in self.param_groups for weight in group["params"]]
        numbers = [number for group in state_dict["param_groups"] for number in group["params"]]
        for weight, number in zip(weights, numbers, strict=True):
            for name, value in state_dict["state"].get(number, {}).items():
                self.state[weight][name] = value.detach().clone().to(weight.device) if torch.is_tensor(value) else value


def schedule(trainer: TrainerConfig, step: int, total: int) -> float:
    """The learning rate at an optimizer step, as a share of the peak: linear warm-up, then down to the final share."""
    warmup = math.ceil(trainer.warmup * total)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    low = trainer.final_learning_rate
    if trainer.schedule == "constant":
        return 1.0
    if trainer.schedule == "linear":
        return 1.0 - (1.0 - low) * done
    return low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * done))
