"""Packed training equals plain transformers: losses, gradients, and the step whatever the accumulation or processes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support import bloom, llama
from transformers import PreTrainedModel

from ecomgpt.data.batches import MicroBatches, collate, plan
from ecomgpt.data.pack import pack
from ecomgpt.data.store import Examples, TokenWriter
from ecomgpt.model.network import Network

VOCABULARY, PAD = 300, 3
INPUTS = ("input_ids", "positions", "lengths", "target_index", "targets")


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    """Forty examples of ragged lengths, with one to nine answer tokens."""
    generator = np.random.default_rng(0)
    with TokenWriter(tmp_path) as writer:
        for number in range(40):
            prompt, answer = int(generator.integers(3, 60)), int(generator.integers(1, 10))
            writer.add(generator.integers(4, VOCABULARY, prompt + answer).tolist(), prompt, 0, number)
    return Examples(tmp_path)


def plain_losses(model: PreTrainedModel, examples: Examples, index: int) -> torch.Tensor:
    """The answer tokens' losses of one example alone, by stock transformers."""
    ids = torch.from_numpy(examples.ids(index).astype(np.int64))[None]
    answer = int(examples.num_targets[index])
    logits = model(ids).logits[0, -answer - 1 : -1]
    return F.cross_entropy(logits.float(), ids[0, -answer:], reduction="none")


@pytest.mark.parametrize(
    "make", [bloom, lambda: bloom(width=48, heads=6), llama], ids=["bloom", "bloom-6-heads", "llama"]
)
def test_packed_losses_and_gradients_equal_stock_transformers(
    make: Callable[[], PreTrainedModel], examples: Examples
) -> None:
    stock = make()
    expected = torch.cat([plain_losses(stock, examples, index) for index in range(len(examples))])
    expected.sum().backward()

    model = make()
    network = Network(model)
    rows = pack(examples.lengths, 128, seed=1)
    total = torch.zeros(())
    seen = {}
    for row in rows:
        batch = collate(examples, [row], PAD)
        losses = network(*(batch[name] for name in INPUTS))
        total = total + losses.sum()
        for index, part in zip(row, losses.split([int(examples.num_targets[i]) for i in row]), strict=True):
            seen[int(index)] = part
    total.backward()
    ours = torch.cat([seen[index] for index in range(len(examples))])
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)
    for (name, weight), other in zip(stock.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(other.grad, weight.grad, rtol=1e-4, atol=1e-4, msg=partial("{}: {}".format, name))


@pytest.mark.parametrize("make", [bloom, llama])
def test_each_example_in_a_row_has_the_gradient_it_has_alone(
    make: Callable[[], PreTrainedModel], examples: Examples
) -> None:
    stock, model = make(), make()
    network = Network(model)
    row = pack(examples.lengths, 128, seed=1)[0]
    batch = collate(examples, [row], PAD)
    losses = network(*(batch[name] for name in INPUTS)).split([int(examples.num_targets[index]) for index in row])
    assert len(row) > 2
    for index, part in zip(row, losses, strict=True):
        ours = torch.autograd.grad(part.mean(), list(model.parameters()), retain_graph=True)
        theirs = torch.autograd.grad(plain_losses(stock, examples, int(index)).mean(), list(stock.parameters()))
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_an_example_does_not_feel_its_neighbours(examples: Examples) -> None:
    network = Network(bloom())
    alone = collate(examples, [np.array([5])], PAD)
    together = collate(examples, [np.array([2, 5, 9])], PAD)
    first, all_three = network(*(alone[n] for n in INPUTS)), network(*(together[n] for n in INPUTS))
    start = int(examples.num_targets[2])
    torch.testing.assert_close(all_three[start : start + len(first)], first, rtol=0, atol=1e-5)


def test_weights_and_their_names_stay_stock() -> None:
    stock, model = bloom(), bloom()
    Network(model)
    assert list(stock.state_dict()) == list(model.state_dict())
    ids = torch.tensor([[5, 6, 7, 8]])
    settings = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": PAD}
    assert torch.equal(stock.generate(ids, **settings), model.generate(ids, **settings))


@pytest.mark.parametrize(("world", "micro"), [(1, 1), (1, 4), (2, 1), (2, 2), (4, 1)])
@pytest.mark.parametrize("weighting", ["token", "example", "task"])
def test_a_step_is_the_same_however_it_is_shared_out(
    examples: Examples, world: int, micro: int, weighting: str
) -> None:
    whole = plan(examples.lengths, 128, 4 * 128, 1.0, None, seed=3)

    def gradient(world: int, micro: int) -> torch.Tensor:
        network = Network(bloom())
        for rank in range(world):
            batches = MicroBatches(examples, whole, rank, world, micro, PAD, weighting)
            for index in range(batches.accumulate):
                batch = batches[index]
                losses = network(*(batch[n] for n in INPUTS))
                ((losses / batch["loss_divisor"]).sum() / batch["normaliser"]).backward()
        return torch.cat([weight.grad.flatten() for weight in network.parameters()])

    torch.testing.assert_close(gradient(world, micro), gradient(1, 2), rtol=0, atol=1e-6)


def test_the_last_step_is_filled_with_rows_that_weigh_nothing(examples: Examples) -> None:
    whole = plan(examples.lengths, 128, 16 * 128, 1.0, None, seed=3)
    batches = MicroBatches(examples, whole, 0, 1, 1, PAD)
    counts = [len(batches[index]["targets"]) for index in range(len(batches))]
    assert sum(counts) == int(examples.num_targets.sum())
    empty = batches[len(batches) - 1]
    losses = Network(bloom())(*(empty[n] for n in INPUTS))
    losses.sum().backward()
    assert len(losses) == 0


def test_packing_takes_every_example_once_and_wastes_little() -> None:
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(4.9, 0.6, 5000), 12, 1024).astype(np.int32)
    rows = pack(lengths, 1024, seed=1)
    assert sorted(np.concatenate(rows).tolist()) == list(range(5000))
    assert all(lengths[row].sum() <= 1024 for row in rows)
    assert lengths.sum() > 0.97 * 1024 * len(rows)
    assert all((a == b).all() for a, b in zip(rows, pack(lengths, 1024, seed=1), strict=True))


def test_a_row_too_short_for_an_example_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        pack(np.array([10, 200]), 100, seed=1)
