"""Every strategy, with one and two processes, against one plain process; the table of ``docs/strategies.md`` is made
here.

``just test-dist --write-docs`` writes the table; without the option the test only compares.
"""

from pathlib import Path

import pytest
import torch
from rehearsal import DEMO, HALF, REAL, STEPS, Outcome, Rehearsal, difference

from ecomgpt.common.errors import UserError
from ecomgpt.job import export
from ecomgpt.model.loading import read_model
from ecomgpt.trainer.stored import checkpoints

pytestmark = pytest.mark.dist

STRATEGIES = ("auto", "ddp", "fsdp", "deepspeed_zero1", "deepspeed_zero2", "deepspeed_zero3", "deepspeed_zero3_offload")
COLUMNS = ("1 process", "2 processes", "resume", "export", "same numbers")
LOSS, WEIGHT = 1e-5, 5e-5
"""Sums in another order; AdamW makes the most of it where gradients are close to nothing. A step moves weights by
1e-3."""
DOCS = Path(__file__).parents[2] / "docs" / "strategies.md"
START, END = "<!-- table of tests/strategy -->", "<!-- end -->"


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Rehearsal:
    data: tuple[str, ...]
    try:
        data = (*REAL, f"paths.data={request.getfixturevalue('real_data')}")
    except pytest.skip.Exception:
        data = DEMO
    return Rehearsal(tmp_path_factory.mktemp("rehearsal"), data)


@pytest.fixture(scope="module")
def plain(rehearsal: Rehearsal) -> Outcome:
    """One process, no strategy."""
    outcome = rehearsal.train("plain")
    assert len(outcome.losses()) == STEPS and all(float(norm) > 0.5 for norm in outcome.norms()), "nothing was clipped"
    lengths = outcome.mixture.examples("train").lengths
    assert lengths.max() > 2 * lengths.min(), "the data are not ragged"
    return outcome


def finished(rehearsal: Rehearsal, strategy: str, processes: int) -> Outcome:
    """A strategy's finished run, trained when a test first asks for it."""
    name = f"{strategy}-{processes}"
    known = rehearsal.outcomes.get(name)
    return known or rehearsal.train(name, f"strategy={strategy}", f"trainer.devices={processes}")


def same(one: Outcome, other: Outcome) -> None:
    """Loss curve, weights and scores."""
    assert len(one.losses()) == len(other.losses()) == STEPS
    worst = max(abs(a - b) for a, b in zip(one.losses(), other.losses(), strict=True))
    assert worst < LOSS, f"the loss differs by {worst}"
    assert difference(one.weights(), other.weights()) < WEIGHT
    assert one.scores == other.scores


def loss_of(folder: Path, outcome: Outcome) -> float:
    """Mean loss on training examples of a folder that plain transformers loads."""
    model, examples = read_model(folder).eval(), outcome.mixture.examples("train")
    losses = []
    for index in range(8):
        ids = torch.from_numpy(examples.ids(index).astype("int64"))[None]
        labels = ids.clone()
        labels[:, : -int(examples.num_targets[index])] = -100
        with torch.no_grad():
            losses.append(float(model(input_ids=ids, labels=labels).loss))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_process(strategy: str, rehearsal: Rehearsal, plain: Outcome) -> None:
    same(plain, finished(rehearsal, strategy, 1))


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_two_processes(strategy: str, rehearsal: Rehearsal, plain: Outcome) -> None:
    same(plain, finished(rehearsal, strategy, 2))


def test_one_device_is_one_device(rehearsal: Rehearsal) -> None:
    with pytest.raises(UserError, match=r"strategy=auto uses one device, but trainer\.devices x trainer\.nodes is 2"):
        rehearsal.train("auto-2", "strategy=auto", "trainer.devices=2")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_resuming(strategy: str, rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]) -> None:
    """Bit for bit, with as many processes as before."""
    processes = 1 if strategy == "auto" else 2
    whole = finished(rehearsal, strategy, processes)
    rehearsal.killed_half_way(f"{strategy}-{processes}", f"{strategy}-resumed")
    outcome = rehearsal.train(f"{strategy}-resumed", f"strategy={strategy}", f"trainer.devices={processes}")
    assert f"continuing from step-{HALF}.ckpt" in capsys.readouterr().out
    assert outcome.losses() == whole.losses() and difference(outcome.weights(), whole.weights()) == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_export_of_a_checkpoint(strategy: str, rehearsal: Rehearsal, plain: Outcome) -> None:
    """``job=export`` of the last checkpoint gives the model of the finished run, and plain transformers computes its
    loss."""
    outcome = finished(rehearsal, strategy, 1 if strategy == "auto" else 2)
    assert checkpoints(outcome.run.checkpoints)[0].name == f"step-{STEPS}.ckpt"
    before, loss = outcome.weights(), loss_of(outcome.run.model, outcome)
    export.main(outcome.config, outcome.run)
    assert difference(before, outcome.weights()) == 0
    assert loss_of(outcome.run.model, outcome) == loss and abs(loss - loss_of(plain.run.model, plain)) < 1e-3


@pytest.mark.parametrize(
    ("writer", "reader", "processes"),
    [(("auto", 1), "ddp", 2), (("auto", 1), "fsdp", 2), (("ddp", 2), "auto", 1), (("fsdp", 2), "fsdp", 1)],
)
def test_going_on_with_another_number_of_processes(
    writer: tuple[str, int], reader: str, processes: int, rehearsal: Rehearsal, plain: Outcome
) -> None:
    written = finished(rehearsal, *writer)
    name = f"{written.run.path.name}-then-{reader}-{processes}"
    rehearsal.killed_half_way(written.run.path.name, name)
    same(plain, rehearsal.train(name, f"strategy={reader}", f"trainer.devices={processes}"))


def test_fsdp_with_weights_in_main_memory(rehearsal: Rehearsal, plain: Outcome) -> None:
    same(plain, rehearsal.train("offloaded", "strategy=fsdp", "strategy.offload_parameters=true", "trainer.devices=2"))


def test_dropout_is_the_same_on_two_processes(rehearsal: Rehearsal) -> None:
    lora = ("tuning=lora", "tuning.dropout=0.3", "trainer.learning_rate=1e-3")
    one = rehearsal.train("lora-1", *lora)
    two = rehearsal.train("lora-2", *lora, "strategy=ddp", "trainer.devices=2")
    assert max(abs(a - b) for a, b in zip(one.losses(), two.losses(), strict=True)) < LOSS
    assert difference(one.weights(), two.weights()) < WEIGHT


@pytest.mark.parametrize("strategy", ["fsdp", "deepspeed_zero2", "deepspeed_zero3"])
def test_adapters_learn_the_same_with_every_strategy(strategy: str, rehearsal: Rehearsal) -> None:
    lora = ("tuning=lora", "trainer.learning_rate=1e-3")
    one = rehearsal.train(f"adapters-1-{strategy}", *lora)
    two = rehearsal.train(f"adapters-2-{strategy}", *lora, f"strategy={strategy}", "trainer.devices=2")
    assert max(abs(a - b) for a, b in zip(one.losses(), two.losses(), strict=True)) < LOSS
    assert difference(one.weights(), two.weights()) < WEIGHT


def test_the_table_in_the_docs(request: pytest.FixtureRequest) -> None:
    """Each cell is a test of this file."""
    cells = {name: dict.fromkeys(COLUMNS, "yes") for name in STRATEGIES}
    cells["auto"] |= {"2 processes": "refused: one device", "same numbers": "the measure"}
    rows = [f"| `{name}` | " + " | ".join(row.values()) + " |" for name, row in cells.items()]
    table = "\n".join(
        [START, "| strategy | " + " | ".join(COLUMNS) + " |", "| - " * (len(COLUMNS) + 1) + "|", *rows, END]
    )
    before, rest = DOCS.read_text(encoding="utf-8").split(START)
    page = before + table + rest.split(END, 1)[1]
    if request.config.getoption("--write-docs"):
        DOCS.write_text(page, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == page, "docs/strategies.md is not what the tests say"
