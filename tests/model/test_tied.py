"""The gradient of an embedding that is the head as well, against plain PyTorch's sum of two."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support import bloom, llama
from torch import nn
from transformers import PreTrainedModel

from ecomgpt.model import loss, tied_embedding
from ecomgpt.model.network import Network
from ecomgpt.model.tied_embedding import LateGradient, TiedEmbedding

VOCABULARY, PAD = 90, 3


def tied_bloom() -> PreTrainedModel:
    return bloom(VOCABULARY, width=16, layers=1, heads=2)


def tied_llama(tie: bool = True) -> PreTrainedModel:
    return llama(VOCABULARY, width=16, layers=1, heads=2, tie_word_embeddings=tie, pad_token_id=PAD)


def batch(targets: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(2, 90, (1, 60), generator=generator)
    ids[0, 5] = PAD  # as an input its row gets no gradient in Llama, as a target it does
    index = torch.arange(60 - targets - 1, 59)
    return ids, torch.arange(60)[None], torch.tensor([60]), index, ids[0, index + 1]


def weights(count: int) -> torch.Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("make", [tied_bloom, tied_llama])
@pytest.mark.parametrize(("targets", "chunk"), [(9, 1024), (9, 4), (40, 1024), (40, 17), (0, 1024)])
def test_it_is_the_sum_of_both(
    make: Callable[[], PreTrainedModel], targets: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "CHUNK", chunk)
    stock, model = make(), make()
    ids, positions, lengths, index, goals = batch(targets)
    network = Network(model)
    assert isinstance(model.get_input_embeddings(), TiedEmbedding)
    for _ in range(2):  # gradients of micro-batches add up
        expected = F.cross_entropy(stock(ids).logits[0, index], goals, reduction="none")
        (expected * weights(targets)).sum().backward()
        (network(ids, positions, lengths, index, goals) * weights(targets)).sum().backward()
    for (name, one), other in zip(model.named_parameters(), stock.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5, msg=partial("{}: {}".format, name))


def test_two_forward_passes_before_one_backward_keep_their_own() -> None:
    together, apart = Network(tied_bloom()), Network(tied_bloom())
    first, second = batch(9), batch(20)
    (together(*first).sum() + 2 * together(*second).sum()).backward()
    apart(*first).sum().backward()
    (2 * apart(*second).sum()).backward()
    for one, other in zip(together.parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-6)


def test_products_in_bfloat16_add_up_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tied_embedding, "SLICE", 7)
    late, expected = LateGradient(torch.float32), torch.zeros(50, 8)
    for number in range(3):
        generator = torch.Generator().manual_seed(number)
        logits, hidden = (
            torch.randn(6, 50, generator=generator).bfloat16(),
            torch.randn(6, 8, generator=generator).bfloat16(),
        )
        late.add(logits, hidden)
        expected += (logits.t() @ hidden).float()
    found = late.take()
    assert found is not None and found.dtype == torch.float32 and late.take() is None
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_heads_of_their_own_and_frozen_embeddings_stay_as_they_are() -> None:
    model = tied_llama(tie=False)
    Network(model)
    assert type(model.get_input_embeddings()) is nn.Embedding
    frozen: Any = tied_bloom()
    frozen.get_input_embeddings().weight.requires_grad_(False)
    Network(frozen)(*batch(9)).sum().backward()
    assert (
        frozen.get_input_embeddings().weight.grad is None
        and frozen.transformer.h[0].mlp.dense_h_to_4h.weight.grad is not None
    )
