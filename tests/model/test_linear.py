"""Linear layers by oneDNN: PyTorch's values and gradients where they are exchanged, and stock where they are not."""

import pytest
import torch
from torch import nn

from ecomgpt.model import linear
from ecomgpt.model.linear import Linear, faster_linears, product

there = hasattr(torch.ops.mkldnn, "_linear_pointwise") and torch.backends.mkldnn.is_available()
needs_onednn = pytest.mark.skipif(not there, reason="this PyTorch was built without oneDNN")


@pytest.fixture
def exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an AMD processor, whatever this one is."""
    monkeypatch.setattr(linear, "onednn_is_faster", lambda: True)


def pair(bias: bool) -> tuple[nn.Linear, nn.Linear]:
    torch.manual_seed(1)
    stock, ours = nn.Linear(64, 48, bias=bias), nn.Linear(64, 48, bias=bias)
    ours.load_state_dict(stock.state_dict())
    assert faster_linears(ours) == [ours] and type(ours) is Linear
    return stock, ours


@needs_onednn
@pytest.mark.usefixtures("exchanged")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(64,), (3, 64), (1, 7, 64), (2, 5, 64), (0, 64)])
def test_values_and_gradients_are_pytorchs(shape: tuple[int, ...], bias: bool) -> None:
    stock, ours = pair(bias)
    results = []
    for layer in (stock, ours):
        source = (
            torch.linspace(-2, 2, 64 * 10).sin().flatten()[: torch.Size(shape).numel()].view(shape).requires_grad_()
        )
        out = layer(source)
        (out * torch.arange(48)).sum().backward()
        results.append([out, source.grad, layer.weight.grad, *([layer.bias.grad] if bias else [])])
    for theirs, own in zip(*results, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-4)


@needs_onednn
@pytest.mark.usefixtures("exchanged")
def test_operands_may_lie_anyhow_in_memory() -> None:
    torch.manual_seed(2)
    wide = torch.randn(9, 128)
    left, right = wide[:, ::2], torch.randn(64, 96).t()[::2]
    torch.testing.assert_close(product(left, right), left @ right.t(), rtol=1e-5, atol=1e-4)
    stock, ours = pair(True)
    for layer in (stock, ours):  # an upstream gradient without memory of its own
        layer(left).sum().backward()
    torch.testing.assert_close(ours.weight.grad, stock.weight.grad, rtol=1e-5, atol=1e-4)


@needs_onednn
@pytest.mark.usefixtures("exchanged")
def test_second_gradients_are_refused_and_not_wrong() -> None:
    _, ours = pair(True)
    source = torch.randn(3, 64, requires_grad=True)
    (first,) = torch.autograd.grad(ours(source).square().sum(), source, create_graph=True)
    with pytest.raises(RuntimeError):
        first.sum().backward()


@pytest.mark.usefixtures("exchanged")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_formats_stay_stock(dtype: torch.dtype) -> None:
    stock, ours = pair(True)
    source = torch.randn(5, 64, dtype=dtype)
    assert torch.equal(stock.to(dtype)(source), ours.to(dtype)(source))


@pytest.mark.usefixtures("exchanged")
def test_autocast_decides_about_the_format_as_always() -> None:
    stock, ours = pair(True)
    source = torch.randn(5, 64)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(stock(source), ours(source)) and ours(source).dtype == torch.bfloat16


def test_elsewhere_nothing_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "onednn_is_faster", lambda: False)
    layer = nn.Linear(4, 4)
    assert faster_linears(layer) == [] and type(layer) is nn.Linear
