"""What is made again in the backward pass changes neither values nor gradients, and is not kept until then."""

import contextlib
import weakref

import pytest
import torch
from torch import nn

from ecomgpt.model.recompute import recompute_linear


def layers() -> tuple[nn.Linear, nn.LayerNorm, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Linear(16, 24), nn.LayerNorm(16), torch.randn(2, 5, 16)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "autocast"])
def test_values_and_gradients_stay_to_the_last_bit(half: bool) -> None:
    results = []
    for again in (False, True):
        linear, norm, source = layers()
        source.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext():
            output = recompute_linear(linear, norm, source) if again else linear(norm(source))
        output.float().square().sum().backward()
        results.append([output, source.grad, *(weight.grad for weight in (*linear.parameters(), *norm.parameters()))])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "autocast"])
def test_the_result_is_freed_while_the_graph_lives(half: bool) -> None:
    linear, norm, source = layers()
    made: list[weakref.ref] = []

    def cheap(tensor: torch.Tensor) -> torch.Tensor:
        result = norm(tensor)
        made.append(weakref.ref(result.untyped_storage()))
        return result

    with torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext():
        output = recompute_linear(linear, cheap, source)
    kept: list[int] = []
    for tensor in (output.grad_fn, *(node for node, _ in output.grad_fn.next_functions if node)):
        kept += [
            value.numel()
            for name in dir(tensor)
            if name.startswith("_saved_") and torch.is_tensor(value := getattr(tensor, name))
        ]
    assert kept and len(made) > 1  # looking at what is kept makes it again
    assert all(reference() is None for reference in made)
    output.float().sum().backward()
    assert linear.weight.grad is not None


def test_nothing_is_made_again_without_gradients() -> None:
    linear, norm, source = layers()
    with torch.no_grad():
        assert torch.equal(recompute_linear(linear, norm, source), linear(norm(source)))
