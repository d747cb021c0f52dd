"""The loss over answer rows is PyTorch's own, value and gradients."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ecomgpt.model import loss
from ecomgpt.model.loss import AnswerHead


def head(bias: bool = False, vocabulary: int = 500) -> AnswerHead:
    torch.manual_seed(0)
    return AnswerHead(nn.Linear(24, vocabulary, bias=bias))


@pytest.mark.parametrize("chunk", [1024, 7])
@pytest.mark.parametrize("bias", [False, True])
def test_losses_and_gradients_are_those_of_plain_cross_entropy(
    chunk: int, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "CHUNK", chunk)
    part = head(bias)
    hidden = torch.randn(23, 24) * 3
    targets, weights = torch.randint(0, 500, (23,)), torch.rand(23)
    ours, theirs = hidden.clone().requires_grad_(), hidden.clone().requires_grad_()
    losses = part(ours, targets)
    (losses * weights).sum().backward()
    mine = [ours.grad, *(weight.grad.clone() for weight in part.parameters())]
    part.zero_grad()
    expected = F.cross_entropy(part(theirs), targets, reduction="none")
    (expected * weights).sum().backward()
    torch.testing.assert_close(losses, expected, rtol=0, atol=1e-5)
    for one, other in zip(mine, [theirs.grad, *(weight.grad for weight in part.parameters())], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_large_logits_neither_overflow_nor_lose_the_loss() -> None:
    part = head()
    hidden = torch.randn(5, 24) * 500
    targets = torch.randint(0, 500, (5,))
    torch.testing.assert_close(
        part(hidden, targets), F.cross_entropy(part(hidden), targets, reduction="none"), rtol=1e-5, atol=1e-3
    )


def test_logits_are_float32_sums_under_autocast() -> None:
    part = head()
    hidden, targets = torch.randn(9, 24), torch.randint(0, 500, (9,))
    with torch.autocast("cpu", torch.bfloat16):
        half = part(hidden.requires_grad_(), targets)
    assert half.dtype == torch.float32
    half.sum().backward()
    assert part.weight.grad.dtype == torch.float32
    torch.testing.assert_close(half, part(hidden, targets), rtol=0, atol=0.05)


def test_fp16_keeps_the_gradients_of_improbable_tokens() -> None:
    """A probability below 6e-8 is nothing in fp16; a loss scale that comes after it can't bring it back."""
    part = head(vocabulary=4000).half()
    hidden, targets = torch.randn(3, 24).mul(12).half(), torch.randint(0, 4000, (3,))
    part(hidden, targets).sum().mul(1024).backward()
    exact = head(vocabulary=4000)
    exact.load_state_dict({name: value.float() for name, value in part.state_dict().items()})
    F.cross_entropy(exact(hidden.float()), targets, reduction="sum").mul(1024).backward()
    small = exact.weight.grad.abs().amax(dim=1)
    rows = (small > 1e-5) & (small < 1e-3)  # with the loss scale, which is 1024 here
    assert rows.sum() > 50 and part.weight.grad is not None and exact.weight.grad is not None
    torch.testing.assert_close(part.weight.grad[rows].float(), exact.weight.grad[rows], rtol=0.05, atol=1e-6)


def test_only_the_answers_logits_are_made_and_kept() -> None:
    """What stays for the backward pass is one buffer of N x V, however long the prompts are."""
    part = head(vocabulary=5000)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        part(torch.randn(11, 24).requires_grad_(), torch.randint(0, 5000, (11,)))
    assert max(kept) == 24 * 5000 and sorted(kept)[-2] == 11 * 5000 and sum(kept) < 24 * 5000 + 11 * 5000 + 1000
