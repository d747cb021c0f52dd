"""The metrics as torchmetrics modules: the same values as the update/compute pairs, however the answers are spread."""

import doctest
import os
import random
from pathlib import Path

import pytest
import torch

from ecomgpt.eval.metrics import module
from ecomgpt.eval.metrics.module import AnswerMetric
from ecomgpt.eval.metrics.names import METRIC_NAMES
from ecomgpt.eval.metrics.table import metric
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.tasks.answers import render
from ecomgpt.tasks.prompt import Prompt

TYPES = ("颜色", "Brand")


def answers(count: int = 12) -> list[Answer]:
    """Typed terms: the form that every metric can score."""
    chance = random.Random(5)
    found = []
    for at in range(count):
        terms = [(chance.choice(TYPES), term) for term in chance.sample(["红", "Acme", "蓝色", "shoe"], 2)]
        given = [(chance.choice((*TYPES, f"Extra{at % 3}")), term) for _, term in terms]
        row = EvalRow(
            id=f"t/{at}",
            task="t",
            prompt=Prompt("", "红 Acme 蓝色 shoe", ""),
            target=render("typed_spans", terms, TYPES),
            candidates=TYPES,
            form="typed_spans",
            kind="NER",
        )
        found.append(Answer(row, render("typed_spans", given) if at % 4 else row.target))
    return found


def expected(name: str) -> float:
    pair = metric(name, "NER")
    return float(pair.compute(pair.update(answers()).sum(0)))


def made(name: str) -> AnswerMetric:
    return AnswerMetric(name, "NER", metric(name, "NER").names(answers()))


@pytest.mark.parametrize("name", METRIC_NAMES)
def test_modules_give_the_pairs_values(name: str) -> None:
    one = made(name)
    for start in range(0, 12, 5):
        one.update(answers()[start : start + 5])
    assert one.compute().item() == pytest.approx(expected(name), abs=1e-12)
    one.reset()
    one.update(answers())
    assert one.compute().item() == pytest.approx(expected(name), abs=1e-12)


def test_modules_work_in_a_collection() -> None:
    from torchmetrics import MetricCollection

    together = MetricCollection({name: made(name) for name in METRIC_NAMES})
    together.update(answers())
    values = together.compute()
    assert {name: value.item() for name, value in values.items()} == pytest.approx(
        {name: expected(name) for name in METRIC_NAMES}
    )


def test_names_that_were_not_announced_are_refused() -> None:
    with pytest.raises(ValueError, match="'names'"):
        AnswerMetric("macro_f1", "NER").update(answers())


def test_the_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(module).failed == 0


def _process(rank: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    values = {}
    for name in METRIC_NAMES:
        one = made(name)
        one.update(answers()[:3] if rank == 0 else answers()[3:])
        values[name] = one.compute().item()
    torch.save(values, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.dist
def test_two_processes_add_their_counts(tmp_path: Path) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_process, (port, str(tmp_path)), nprocs=2)
    for rank in range(2):
        values = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert values == pytest.approx({name: expected(name) for name in METRIC_NAMES}, abs=1e-12)
