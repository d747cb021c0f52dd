"""A few steps of a run's own model on rows of random tokens, in processes of their own: how fast, and how much memory.

Neither depends on the values of weights and tokens, so nothing is loaded and no data is needed.
"""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecomgpt.common.files import read_json, scratch_folder, write_json
from ecomgpt.config.schema import Config
from ecomgpt.plan.memory import ANSWER_SHARE
from ecomgpt.runtime.directory import Run, save
from ecomgpt.runtime.process_group import PARENT, run_group
from ecomgpt.runtime.signals import when_parent_ends

STEPS = 3
"""Optimizer steps, of which the first one warms up; the optimizer's states exist from the second on."""
MEAN_LENGTH, SPREAD = 180, 0.5
"""Tokens of an example, and the spread of their logarithm, in instruction data."""


@dataclass(frozen=True)
class Measured:
    """What was found.

    Attributes:
        tokens_per_second: Of all processes together, padding left out, over the steps after the first.
        peak_bytes: Highest memory of the process that took most: resident on a CPU, allocated on a GPU.
        step_tokens: Tokens of a measured step.
    """

    tokens_per_second: float
    peak_bytes: int
    step_tokens: int


def measure(config: Config, steps: int = STEPS) -> Measured:
    """Trains in new processes; they leave nothing behind.

    Raises:
        JobFailure: If they fail, for lack of memory for example.
    """
    trainer = config.trainer
    unit = (trainer.row_tokens or config.data.max_length) * (trainer.micro_rows or 1) * trainer.devices
    # Two micro-batches per step at most: gradients add up as in the real run, and a large batch need not be waited for.
    short = dataclasses.replace(
        trainer,
        nodes=1,
        max_steps=steps,
        max_minutes=None,
        batch_tokens=unit * min(2, trainer.batch_tokens // unit or 1),
    )
    config = dataclasses.replace(config, trainer=short)
    with scratch_folder() as folder:
        run = Run(folder)
        run.logs.mkdir()
        save(config, run)
        run_group(config, run, f"{__name__}:worker")
        found = [read_json(path) for path in sorted(run.path.glob("measured-*.json"))]
    first = found[0]
    return Measured(first["tokens_per_second"], max(item["peak_bytes"] for item in found), first["step_tokens"])


def worker(config: Config, run: Run) -> None:
    """One process."""
    # Before the imports, which take seconds: nobody waits for the result any more.
    when_parent_ends(int(os.environ[PARENT]), lambda: os._exit(1))
    from ecomgpt.data.datamodule import Mixture
    from ecomgpt.model.random_weights import filled_model
    from ecomgpt.trainer.assemble import lightning_trainer, prepare_process
    from ecomgpt.trainer.history import StepTimes
    from ecomgpt.trainer.module import InstructionTuner
    from ecomgpt.trainer.steps import Steps

    prepare_process(config)
    folder = run.path / f"rows-{os.environ.get('RANK', '0')}"
    wanted = config.trainer.batch_tokens * ((config.trainer.max_steps or STEPS) + 1)
    data = Mixture(
        config, random_examples(config, folder, wanted), random_examples(config, folder / "validation", 0), 0
    )
    module = InstructionTuner(
        config, lambda: filled_model(config.model, config.paths.models), data.accumulate, data.plan.steps
    )
    times = StepTimes()
    trainer = lightning_trainer(config, data, [Steps(config.seed, times)], run.path)
    trainer.fit(module, data)
    tokens = sum(data.step_tokens(step)[1] for step in range(1, data.plan.steps))
    found = {
        "tokens_per_second": tokens / sum(row["seconds"] for row in times.rows[1:]),
        "peak_bytes": peak(),
        "step_tokens": tokens // (data.plan.steps - 1),
    }
    write_json(run.path / f"measured-{trainer.global_rank}.json", found)


def random_examples(config: Config, folder: Path, wanted: int) -> Any:
    """Token files like those of a prepared mixture, of so many tokens."""
    from ecomgpt.data.store import Examples, TokenWriter

    generator = np.random.default_rng(config.seed)
    vocabulary = config.model.vocabulary or 1000
    row = config.trainer.row_tokens or config.data.max_length
    length = min(row, config.data.max_length)
    folder.mkdir()
    with TokenWriter(folder) as writer:
        number = written = 0
        while written < wanted:
            tokens = int(np.clip(MEAN_LENGTH * generator.lognormal(-SPREAD * SPREAD / 2, SPREAD), 16, length))
            answer = max(1, round(tokens * ANSWER_SHARE))
            writer.add(generator.integers(4, vocabulary, tokens).tolist(), tokens - answer, 0, number)
            number, written = number + 1, written + tokens
    return Examples(folder)


def peak() -> int:
    """Highest memory of this process so far, in bytes."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    lines = Path("/proc/self/status").read_text().split("\n")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
