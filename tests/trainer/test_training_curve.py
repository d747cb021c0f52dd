"""Whole trainings: the curve is that of stock transformers, whatever the packing, accumulation or tuning."""

from collections.abc import Callable

import numpy as np
import pytest
import support
import torch
import torch.nn.functional as F
from speed import UsefulWork
from support import bloom
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from ecomgpt.config.schema import TuningConfig
from ecomgpt.data.batches import MicroBatches, collate, loss_divisor, plan
from ecomgpt.data.pack import pack
from ecomgpt.data.store import Examples, TokenWriter
from ecomgpt.model.network import Network
from ecomgpt.tuning.apply import apply_tuning

VOCABULARY, PAD, STEPS = 200, 3, 100
INPUTS = ("input_ids", "positions", "lengths", "target_index", "targets")


def llama() -> PreTrainedModel:
    """A Llama whose head is its embedding, as BLOOM's is."""
    return support.llama(tie_word_embeddings=True)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """Examples whose answers repeat their first tokens, so that there is something to learn; three tasks of unequal
    size."""
    generator = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("examples")
    with TokenWriter(folder) as writer:
        for number in range(160):
            prompt, answer = (
                generator.integers(4, VOCABULARY, int(generator.integers(8, 50))),
                int(generator.integers(1, 7)),
            )
            writer.add([*prompt.tolist(), *prompt[:answer].tolist(), 2], len(prompt), min(2, number % 5), number)
    return Examples(folder)


def stock_loss(model: PreTrainedModel, examples: Examples, indices: np.ndarray) -> torch.Tensor:
    """Mean over the answers of a padded batch, as transformers computes it."""
    rows = [examples.ids(int(index)).astype(np.int64) for index in indices]
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    labels = torch.full_like(ids, -100)
    for number, (row, index) in enumerate(zip(rows, indices, strict=True)):
        answer = int(examples.num_targets[index])
        labels[number, len(row) - answer : len(row)] = ids[number, len(row) - answer : len(row)]
    return model(ids, attention_mask=mask, labels=labels).loss


def adamw(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95), weight_decay=0.01)


@pytest.mark.parametrize("make", [bloom, llama])
def test_a_hundred_steps_have_the_curve_of_stock_transformers(
    make: Callable[[], PreTrainedModel], examples: Examples
) -> None:
    stock, ours = make(), make()
    network = Network(ours)
    first, second = adamw(stock), adamw(network)
    whole = plan(examples.lengths, 128, 256, 1.0, STEPS, seed=1)
    batches = MicroBatches(examples, whole, 0, 1, 1, PAD)
    theirs, mine = [], []
    for step in range(STEPS):
        loss = stock_loss(stock, examples, whole.step_examples(step))
        loss.backward()
        theirs.append(loss.item())
        parts = []
        for micro in range(batches.accumulate):
            batch = batches[step * batches.accumulate + micro]
            part = network(*(batch[name] for name in INPUTS)).sum() / batch["normaliser"]
            part.backward()
            parts.append(part.item())
        mine.append(sum(parts))
        for model, optimizer in ((stock, first), (network, second)):
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    assert theirs[-1] < 0.8 * theirs[0]
    # Rounding differs in the last bit and training amplifies it; the first steps are equal to it, the last to a
    # thousandth.
    np.testing.assert_allclose(mine[:10], theirs[:10], rtol=0, atol=1e-4)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=5e-3)


def epoch_gradient(examples: Examples, rows: list[np.ndarray], weighting: str = "token") -> torch.Tensor:
    network = Network(bloom())
    divisor = loss_divisor(examples, weighting)
    for row in rows:
        batch = collate(examples, [row], PAD, divisor)
        (network(*(batch[name] for name in INPUTS)) / batch["loss_divisor"]).sum().backward()
    return torch.cat([weight.grad.flatten() for weight in network.parameters()])


def test_packing_does_not_change_the_gradient_of_an_epoch(examples: Examples) -> None:
    expected = epoch_gradient(examples, [np.array([index]) for index in range(len(examples))])
    for row_tokens, seed in ((64, 1), (128, 2), (512, 3)):
        found = epoch_gradient(examples, pack(examples.lengths, row_tokens, seed))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_accumulation_gives_the_same_step(examples: Examples, accumulate: int) -> None:
    whole = plan(examples.lengths, 128, 4 * 128, 1.0, None, seed=3)

    def gradient(micro_rows: int) -> torch.Tensor:
        network = Network(bloom())
        batches = MicroBatches(examples, whole, 0, 1, micro_rows, PAD)
        for index in range(batches.accumulate):
            batch = batches[index]
            (network(*(batch[name] for name in INPUTS)).sum() / batch["normaliser"]).backward()
        # The gradient, not AdamW's first step, which is the gradient's sign.
        return torch.cat([weight.grad.flatten() for weight in network.parameters()])

    torch.testing.assert_close(gradient(4 // accumulate), gradient(4), rtol=0, atol=1e-6)


@pytest.mark.parametrize("weighting", ["token", "example", "task"])
def test_what_should_weigh_the_same_does(examples: Examples, weighting: str) -> None:
    divisor = loss_divisor(examples, weighting)
    weight = examples.num_targets / divisor
    if weighting == "token":
        assert (weight == examples.num_targets).all()
    elif weighting == "example":
        np.testing.assert_allclose(weight, 1.0)
    else:
        sums = [weight[examples.tasks == task].sum() for task in range(3)]
        np.testing.assert_allclose(sums, 1.0)
        assert len(set(np.bincount(examples.tasks))) > 1


@pytest.mark.parametrize("make", [bloom, llama])
@pytest.mark.parametrize("tuning", ["lora", "frozen"])
def test_tuning_trains_what_it_should_and_nothing_else(
    make: Callable[[], PreTrainedModel], tuning: str, examples: Examples
) -> None:
    lora = TuningConfig(name="lora", rank=4, dropout=0.0)
    model = apply_tuning(make(), lora if tuning == "lora" else TuningConfig(name="full", freeze_embeddings=True))
    network = Network(model)
    optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], lr=1e-2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for _ in range(2):  # an adapter's first matrix moves once its second, which starts at zero, has moved
        batch = collate(examples, [np.arange(20)], PAD)
        network(*(batch[name] for name in INPUTS)).mean().backward()
        optimizer.step()
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    embeddings = {name for name in before if "embeddings.weight" in name or "embed_tokens" in name or "lm_head" in name}
    assert moved == ({name for name in before if "lora_" in name} if tuning == "lora" else set(before) - embeddings)


@pytest.mark.parametrize("make", [bloom, llama])
def test_useful_operations_are_those_that_the_linear_layers_do(
    make: Callable[[], PreTrainedModel], examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecomgpt.model.linear.onednn_is_faster", lambda: False)  # PyTorch does not count oneDNN's,
    monkeypatch.setattr("ecomgpt.model.network.MULTIPLE", 1)  # and what fills a row up is of no use.
    model = make()
    work, network = UsefulWork(model), Network(model)
    batch = collate(examples, [np.arange(12)], PAD)
    with FlopCounterMode(display=False) as counter:
        network(*(batch[name] for name in INPUTS)).sum().backward()
    counted = counter.get_flop_counts()["Global"]
    done = sum(value for operation, value in counted.items() if str(operation) in ("aten.mm", "aten.addmm"))
    lengths = batch["lengths"].tolist()
    attention = work.square * sum(length**2 for length in lengths)
    assert work.operations(lengths, len(batch["targets"])) - attention == done


def test_losses_of_padding_and_prompt_never_count(examples: Examples) -> None:
    """The decoded targets are each example's answer and end of sequence, in order."""
    rows = pack(examples.lengths, 256, seed=5)
    for row in rows[:5]:
        batch = collate(examples, [row], PAD)
        wanted = np.concatenate([examples.ids(int(index))[-int(examples.num_targets[index]) :] for index in row])
        assert batch["targets"].tolist() == wanted.tolist()
        assert F.pad(batch["input_ids"][0], (0, 1))[batch["target_index"] + 1].tolist() == wanted.tolist()
