"""Attention kernels agree with each other and with the plain formula, in float32 and within bounds in bfloat16."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from support import bloom, llama
from transformers import PreTrainedModel
from transformers.models.bloom.modeling_bloom import _get_alibi_slopes

from ecomgpt.common.errors import UserError
from ecomgpt.model.architectures import blocks
from ecomgpt.model.attention import make_layout
from ecomgpt.model.network import Network
from ecomgpt.model.sdpa import BLOCK

CPU = torch.device("cpu")
LENGTHS = (1, 300, 77, BLOCK, 2 * BLOCK + 3, 40)


def plain(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: tuple[int, ...], slopes: torch.Tensor | None
) -> torch.Tensor:
    """The definition: one example after the other, all scores at once, absolute ALiBi as in BLOOM, in float64."""
    outputs, start = [], 0
    groups = query.shape[1] // key.shape[1]
    for length in lengths:
        q, k, v = (part[0, :, start : start + length].double() for part in (query, key, value))
        k, v = k.repeat_interleave(groups, 0), v.repeat_interleave(groups, 0)
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        if slopes is not None:
            scores = scores + slopes.double()[:, None, None] * torch.arange(length)
        scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -torch.inf)
        outputs.append((scores.softmax(-1) @ v).transpose(0, 1))
        start += length
    return torch.cat(outputs)[None]


def heads(count: int, tokens: int, size: int = 16, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, count, tokens, size, generator=generator).to(dtype)


@pytest.mark.parametrize("kernel", ["sdpa", "flex"])
@pytest.mark.parametrize(
    ("count", "shared", "alibi"), [(4, 4, True), (6, 6, True), (4, 2, False)], ids=["alibi", "six heads", "grouped"]
)
def test_every_kernel_is_the_plain_formula(kernel: str, count: int, shared: int, alibi: bool) -> None:
    tokens = sum(LENGTHS)
    inputs = [heads(count, tokens, seed=1), heads(shared, tokens, seed=2), heads(shared, tokens, seed=3)]
    slopes = _get_alibi_slopes(count, CPU) if alibi else None
    ours = [part.clone().requires_grad_() for part in inputs]
    theirs = [part.clone().requires_grad_() for part in inputs]
    if kernel == "flex":  # PyTorch has no backward pass for it on CPUs
        for part in ours:
            part.requires_grad_(False)
    query, key, value = ours
    output = make_layout(LENGTHS, CPU, slopes, kernel)(None, query, key, value, 16**-0.5)
    query, key, value = theirs
    expected = plain(query, key, value, LENGTHS, slopes)
    torch.testing.assert_close(output.double(), expected, rtol=0, atol=1e-5)
    if kernel == "flex":
        return
    upstream = heads(1, tokens * count)[0, 0].reshape(1, tokens, count, 16)
    output.backward(upstream)
    expected.backward(upstream.double())
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=0, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_flex_attention_on_a_gpu_is_the_plain_formula(dtype: torch.dtype) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    device = torch.device("cuda")
    tokens = sum(LENGTHS)
    query, key, value = (heads(4, tokens, 64, dtype, seed) for seed in (1, 2, 3))
    slopes = _get_alibi_slopes(4, CPU)
    layout = make_layout(LENGTHS, device, slopes.to(device), "flex")
    output = layout(None, query.to(device), key.to(device), value.to(device), 64**-0.5).cpu()
    bound = 2e-2 if dtype == torch.bfloat16 else 2e-3  # TF32 products inside the kernel
    torch.testing.assert_close(output.double(), plain(query, key, value, LENGTHS, slopes), rtol=0, atol=bound)


def test_bfloat16_keeps_distant_tokens_apart_up_to_2048() -> None:
    """bfloat16 rounds inputs and outputs by up to 2 ** -8; the bias, float32 at any distance, must add nothing."""
    query, key, value = (heads(8, 2048, 64, torch.bfloat16, seed) for seed in (1, 2, 3))
    slopes = _get_alibi_slopes(8, CPU)
    exact = plain(query, key, value, (2048,), slopes)
    ours = make_layout((2048,), CPU, slopes, "sdpa")(None, query, key, value, 64**-0.5).double()
    # What rounding BLOOM's absolute bias to bfloat16 does, as stock transformers does it.
    place = (slopes[:, None, None] * torch.arange(2048)).bfloat16().double()
    scores = query[0].double() @ key[0].double().transpose(1, 2) / 8 + place
    scores = scores.masked_fill(torch.ones(2048, 2048).triu(1).bool(), -torch.inf)
    rounded = (scores.softmax(-1) @ value[0].double()).transpose(0, 1)[None]
    error, stock = (ours - exact).abs().max().item(), (rounded - exact).abs().max().item()
    assert error < 0.02 and stock > 10 * error


@pytest.mark.parametrize("length", [64, 512, 2048])
@pytest.mark.parametrize("mixed", [True, False], ids=["bf16-mixed", "bf16-true"])
@pytest.mark.parametrize("make", [bloom, llama], ids=["bloom", "llama"])
def test_losses_in_bfloat16_stay_near_float32(make: Callable[..., PreTrainedModel], length: int, mixed: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(4, 300, (1, length + 50), generator=generator)
    positions = torch.cat([torch.arange(50), torch.arange(length)])[None]
    index = torch.arange(50 + length - 33, 50 + length - 1)
    batch = (ids, positions, torch.tensor([50, length]), index, ids[0][index + 1])
    exact = Network(make())(*batch)
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        half = Network(make().to(torch.float32 if mixed else torch.bfloat16))(*batch)
    assert half.dtype == torch.float32
    assert (half - exact).abs().max() < 0.1 and abs(half.mean() - exact.mean()) < 0.02


def test_gradient_checkpointing_changes_nothing() -> None:
    def gradient(checkpointing: bool) -> torch.Tensor:
        model = bloom().train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        ids = torch.arange(4, 104)[None]
        positions = torch.cat([torch.arange(60), torch.arange(40)])[None]
        Network(model)(
            ids, positions, torch.tensor([60, 40]), torch.tensor([57, 58, 98]), torch.tensor([9, 8, 7])
        ).sum().backward()
        return torch.cat([weight.grad.flatten() for weight in model.parameters()])

    torch.testing.assert_close(gradient(True), gradient(False), rtol=0, atol=1e-6)


@pytest.mark.parametrize("make", [bloom, llama])
def test_every_block_is_found_and_compiled(
    make: Callable[..., PreTrainedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their classes are exchanged for our own, and must be known for blocks all the same."""
    network = Network(make())
    found = blocks(network.language_model)
    assert len(found) == network.language_model.config.num_hidden_layers
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda block, **settings: compiled.append(block))
    network.compile_blocks()
    assert compiled == found


@pytest.mark.slow
@pytest.mark.parametrize("make", [bloom, llama])
def test_compiled_blocks_change_nothing(make: Callable[..., PreTrainedModel]) -> None:
    network, compiled = Network(make()), Network(make())
    names = list(compiled.state_dict())
    compiled.compile_blocks()
    assert list(compiled.state_dict()) == names
    for lengths in ([60, 40], [10, 20, 51], [99]):
        ids = torch.arange(4, 4 + sum(lengths))[None]
        batch = (ids, ids, torch.tensor(lengths), torch.tensor([5, 7]), torch.tensor([9, 8]))
        one, other = network(*batch), compiled(*batch)
        torch.testing.assert_close(other, one, rtol=0, atol=1e-5)
        one.sum().backward()
        other.sum().backward()
    for mine, theirs in zip(network.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(theirs.grad, mine.grad, rtol=1e-4, atol=1e-5)


def test_rotary_frequencies_stay_exact_in_16_bit() -> None:
    network = Network(llama())
    rotary: Any = network.language_model.base_model.rotary_emb
    exact = rotary.inv_freq.clone()
    network.to(torch.bfloat16).float().half()
    assert torch.equal(rotary.inv_freq, exact) and network.language_model.lm_head.weight.dtype == torch.float16
    assert not torch.equal(exact.bfloat16().float(), exact)


def test_models_that_packing_would_change_are_refused() -> None:
    shape = {
        "vocab_size": 300,
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    scaled = llama()
    scaled.config.logit_scale = 0.5
    with pytest.raises(UserError, match="logit_scale"):
        Network(scaled)
    from transformers import (
        Lfm2Config,
        Lfm2ForCausalLM,
        MistralConfig,
        MistralForCausalLM,
        RecurrentGemmaConfig,
        RecurrentGemmaForCausalLM,
    )

    with pytest.raises(UserError, match=r"no plain attention \(conv\)"):
        Network(Lfm2ForCausalLM(Lfm2Config(**shape, num_key_value_heads=2, layer_types=["conv", "full_attention"])))
    with pytest.raises(UserError, match=r"no plain attention \(linear_attention"):
        Network(RecurrentGemmaForCausalLM(RecurrentGemmaConfig(**shape, lru_width=64)))
    from transformers import NemotronConfig, NemotronForCausalLM

    torch.manual_seed(0)
    with pytest.raises(UserError, match="other losses on packed rows"):  # its blocks do not hand the layout on
        Network(NemotronForCausalLM(NemotronConfig(**shape, num_key_value_heads=2, head_dim=16, initializer_range=0.1)))
    windowed = Network(MistralForCausalLM(MistralConfig(**shape, num_key_value_heads=2, sliding_window=8)))
    ids = torch.arange(4, 14)[None]
    with pytest.raises(UserError, match="sliding window"):
        windowed(ids, ids, torch.tensor([10]), torch.tensor([3]), torch.tensor([5]))
    windowed(ids, ids, torch.tensor([5, 5]), torch.tensor([3]), torch.tensor([5]))
