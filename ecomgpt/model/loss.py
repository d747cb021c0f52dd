"""Cross entropy over a large vocabulary, for answer tokens only.

BLOOM's head has 250,880 rows, so logits dominate memory. They are computed once, turned into their own gradient in
place, and used in the backward pass: one buffer where plain PyTorch keeps three, and no second computation. Longer
answers are split into chunks whose logits are recomputed in the backward pass, so that memory never exceeds one chunk.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from ecomgpt.model.linear import Linear, product
from ecomgpt.model.tied_embedding import LateGradient

CHUNK = 1024
"""Answer tokens whose logits exist at the same time: about 1 GB in float32 with BLOOM's vocabulary."""
LIFT = 2.0**10
"""Factor on probabilities in fp16: an average one, 1 / 250,880, would lose all but two digits, smaller ones vanish."""


class LinearCrossEntropy(torch.autograd.Function):
    """``cross_entropy(linear(hidden, weight, bias), targets)`` for each target."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, late: LateGradient | None
    ) -> Tensor:
        """Losses in float32.

        Args:
            ctx: Autograd's context.
            hidden: Shape (N, width).
            weight: Shape (V, width), of the same format as ``hidden``.
            bias: Shape (V,), or None.
            targets: Shape (N,), int64.
            late: Receives the weight's gradient where the weight is the embedding's too; None returns it.
        """
        ctx.late, ctx.lift = late, 1.0
        logits = product(hidden, weight, bias).float()
        column = targets[:, None]
        wanted = logits.gather(1, column)
        # Log-sum-exp and softmax by hand, in the logits' buffer: library functions would each allocate another.
        highest = logits.amax(dim=-1, keepdim=True)
        total = logits.sub_(highest).exp_().sum(dim=-1, keepdim=True)
        if any(ctx.needs_input_grad):
            # d loss / d logits = softmax - one-hot.
            gradient = logits.div_(total).scatter_add_(1, column, torch.full_like(total, -1.0))
            if hidden.dtype == torch.float16:
                ctx.lift = LIFT
                gradient.mul_(LIFT)
            ctx.save_for_backward(hidden, weight, gradient.to(hidden.dtype))
        return total[:, 0].log() + highest[:, 0] - wanted[:, 0]  # not a view, about which FSDP would warn

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Folds the upstream gradient, a factor per row, into the smaller operand of each product."""
        hidden, weight, gradient = ctx.saved_tensors
        scale = upstream[:, None] / ctx.lift
        for_hidden = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            for_hidden = (product(gradient, weight.t()).float() * scale).to(hidden.dtype)
        if ctx.needs_input_grad[1]:
            scaled = (hidden.float() * scale).to(hidden.dtype)
            for_weight = gradient.t() @ scaled if ctx.late is None else ctx.late.add(gradient, scaled)
        if ctx.needs_input_grad[2]:
            for_bias = ((upstream / ctx.lift).to(gradient.dtype) @ gradient).to(gradient.dtype)
        return for_hidden, for_weight, for_bias, None, None


class AnswerHead(Linear):
    """A head that computes the loss as well, to take the place of a model's own.

    The loss is part of the head's `forward` because ZeRO-3 gathers a module's weights only there; and it is no function
    of finished logits because it makes their gradient in the same buffer.

    Args:
        head: The model's own head, whose weight and bias are shared, not copied.
    """

    def __init__(self, head: nn.Linear) -> None:
        super().__init__(head.in_features, head.out_features, head.bias is not None, device="meta")
        self.weight, self.bias = head.weight, head.bias

    def forward(self, hidden: Tensor, targets: Tensor | None = None, late: LateGradient | None = None) -> Tensor:
        """Logits, or the cross entropy of each target.

        Args:
            hidden: Hidden states; with targets those that predict them, shape (N, width).
            targets: Shape (N,), int64.
            late: Receives the weight's gradient, if given.

        Returns:
            Logits of shape (..., V), or losses of shape (N,), float32.
        """
        if targets is None:
            return super().forward(hidden)
        kind = hidden.device.type
        half = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.weight.dtype
        hidden, weight, bias = hidden.to(half), self.weight.to(half), None if self.bias is None else self.bias.to(half)
        with torch.autocast(kind, enabled=False):
            if len(targets) <= CHUNK:
                return LinearCrossEntropy.apply(hidden, weight, bias, targets, late)
            pieces = zip(hidden.split(CHUNK), targets.split(CHUNK), strict=True)
            return torch.cat(
                [
                    checkpoint(LinearCrossEntropy.apply, part, weight, bias, goal, late, use_reentrant=False)
                    for part, goal in pieces
                ]
            )
