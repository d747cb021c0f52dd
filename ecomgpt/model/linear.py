"""Faster float32 linear layers on AMD processors.

PyTorch's wheels multiply float32 matrices with Intel's MKL. On AMD processors oneDNN, which the wheels contain as well
and use for bfloat16, is faster at a layer's forward product and no slower at its input's gradient: by 3 to 4 % of a
training step and a third of a decoding step. On other processors, in other formats, and under autocast or a compiler,
layers are stock.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ecomgpt.model.exchange import exchange


@cache
def onednn_is_faster() -> bool:
    """True on AMD processors if PyTorch was built with oneDNN.

    Decided by the processor's name rather than by a measurement, so that results do not depend on chance.
    """
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    info = Path("/proc/cpuinfo")
    return info.is_file() and "AuthenticAMD" in info.read_text(encoding="utf-8", errors="replace")


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """``left @ right.T + bias``, like `torch.nn.functional.linear`, by the faster library; not differentiable.

    Args:
        left: Shape (..., K).
        right: Shape (N, K).
        bias: Shape (N,), or None.

    Returns:
        Shape (..., N).
    """
    if _suits(left, right):
        return torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")
    return F.linear(left, right, bias)


class Linear(nn.Linear):
    """`nn.Linear` computed by the faster library; weights, names and gradients are the same."""

    def forward(self, input: Tensor) -> Tensor:
        """See `nn.Linear`."""
        if torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu") or not _suits(input, self.weight):
            return super().forward(input)
        if torch.is_grad_enabled():
            return _Product.apply(input, self.weight, self.bias)
        return product(input, self.weight, self.bias)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(input, weight)
        return product(input, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        for_input = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            for_input = product(upstream, weight.t())
        rows = upstream.reshape(-1, upstream.shape[-1])
        if ctx.needs_input_grad[1]:
            for_weight = rows.t() @ input.reshape(-1, input.shape[-1])  # MKL is no slower at this one.
        if ctx.needs_input_grad[2]:
            for_bias = rows.sum(0)
        return for_input, for_weight, for_bias


def faster_linears(model: nn.Module) -> list[nn.Module]:
    """Makes a model's stock linear layers instances of `Linear`, where that helps; returns them."""
    return exchange(model.modules(), nn.Linear, Linear) if onednn_is_faster() else []


def _suits(left: Tensor, right: Tensor) -> bool:
    plain = (Tensor, nn.Parameter)
    return (
        left.dtype == right.dtype == torch.float32
        and left.device.type == "cpu"
        and left.numel() > 0
        and type(left) in plain
        and type(right) in plain
        and onednn_is_faster()
    )
