"""The memory estimate against every allocation that the real code makes, and its numbers for people."""

import dataclasses

import pytest
import torch
from allocations import peak_bytes

from ecomgpt.common.units import duration, size
from ecomgpt.config.schema import Config
from ecomgpt.model.random_weights import random_model
from ecomgpt.model.size import parameters
from ecomgpt.plan.configuration import configured
from ecomgpt.plan.memory import Memory, Workload, estimate
from ecomgpt.plan.preflight import bloom_sizes, of_size

SHAPES = {**{name: shape for name, *shape in bloom_sizes()}, "110m": (512, 8, 8), "small": (256, 4, 4)}


def config(shape: str, *overrides: str) -> Config:
    given = ["model=bloomz_560m", "trainer.accelerator=cpu", *overrides]
    made = configured(given)
    return dataclasses.replace(made, model=of_size(made.model, *SHAPES[shape]))


def on_gpus(shape: str, *overrides: str) -> Memory:
    guess = estimate(Workload(config(shape, *overrides), half=True, mixed=True, gpu=True))
    assert guess is not None
    return guess


COMBINATIONS = [
    ("110m", "trainer.micro_rows=4 data.max_length=512"),
    ("110m", "tuning=lora trainer.micro_rows=2 data.max_length=1024"),
    ("110m", "tuning=lora trainer.precision=bf16-mixed data.max_length=1024"),
    ("110m", "trainer.gradient_checkpointing=true trainer.micro_rows=4"),
    ("110m", "trainer.precision=bf16-mixed trainer.micro_rows=8"),
    ("small", "trainer.precision=bf16-true trainer.micro_rows=16"),
    ("small", "tuning.freeze_embeddings=true trainer.micro_rows=8"),
    ("110m", "tuning=lora trainer.gradient_checkpointing=true data.max_length=2048"),
]


@pytest.mark.parametrize(("shape", "overrides"), COMBINATIONS, ids=[" ".join(pair) for pair in COMBINATIONS])
def test_the_estimate_is_what_the_code_allocates(shape: str, overrides: str) -> None:
    made = config(shape, *overrides.split())
    half, mixed = made.trainer.precision.startswith("bf16"), made.trainer.precision == "bf16-mixed"
    with torch.device("meta"):
        model = random_model(made.model, made.paths.models)
    allocated = peak_bytes(made, model, half, mixed)
    guess = estimate(Workload(made, half, mixed, gpu=True))
    assert guess is not None
    assert guess.model == pytest.approx(allocated, rel=0.08)


@pytest.mark.parametrize("shape", SHAPES)
def test_parameters_are_counted_exactly(shape: str) -> None:
    made = config(shape)
    with torch.device("meta"):
        model = random_model(made.model, made.paths.models)
    model.tie_weights()
    assert parameters(made.model) == sum(weight.numel() for weight in model.parameters())


def test_more_devices_never_need_more_memory_each() -> None:
    for strategy in ("fsdp", "deepspeed_zero1", "deepspeed_zero2", "deepspeed_zero3", "deepspeed_zero3_offload"):
        needs = []
        for devices in (2, 4, 8):
            needs.append(on_gpus("7b1", f"strategy={strategy}", f"trainer.devices={devices}").device)
        assert needs == sorted(needs, reverse=True), strategy


def test_offloading_moves_memory_to_the_host() -> None:
    kept = on_gpus("7b1", "strategy=deepspeed_zero3", "trainer.devices=2")
    moved = on_gpus("7b1", "strategy=deepspeed_zero3_offload", "trainer.devices=2")
    assert kept.host == 0 and moved.host > 80e9
    assert moved.device + moved.host / 2 == pytest.approx(kept.device, rel=0.01)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (18_400_000, "18 MB"),
        (999_700_000, "1.0 GB"),
        (9_440_000_000, "9.4 GB"),
        (119e9, "119 GB"),
        (1.2e12, "1.2 TB"),
    ],
)
def test_bytes_for_people(amount: float, text: str) -> None:
    assert size(amount) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (600, "10 min"), (7200, "2 h 0 min"), (19_200, "5 h 20 min"), (273_600, "3 d 4 h")],
)
def test_seconds_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
