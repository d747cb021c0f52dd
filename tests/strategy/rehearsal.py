"""Training runs for the tests of strategies: small, ragged, accumulated and clipped, started without the command's own
imports."""

import csv
import dataclasses
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from support import TINY_MODEL

from ecomgpt.common.files import read_json
from ecomgpt.config.schema import Config
from ecomgpt.job import build, evaluate, fit
from ecomgpt.plan.configuration import configured
from ecomgpt.runtime.directory import Run, open_run

STEPS, HALF = 8, 4
# One process accumulates four micro-batches a step, two accumulate two; gradients have a norm of over 1 and are clipped
# at 0.5.
SETTINGS = (
    *TINY_MODEL,
    "job=run",
    "trainer.batch_tokens=2048",
    "trainer.row_tokens=256",
    "trainer.micro_rows=2",
    f"trainer.max_steps={STEPS}",
    f"trainer.checkpoint_every={HALF}",
    "trainer.keep_checkpoints=5",
    "trainer.clip_norm=0.5",
    "trainer.loggers=[]",
    "trainer.log_every=100",
    "trainer.precision=fp32",
    "trainer.accelerator=cpu",
    "eval.limit=3",
    "eval.untrained=false",
    "eval.baselines=false",
    "eval.tasks=[en-demo-product_category,zh-demo-intent_of_text]",
    "sources.options.demo_store.products=30",
)
REAL = ("sources=open", "sources.datasets=[semeval14_laptops,eprstmt,demo_store]", "data.max_examples_per_task=20")
DEMO = ("sources=demo", "data.tasks=[product_category,intent_of_text,polarity_of_aspect]")


@dataclass
class Outcome:
    """What a run ended with."""

    run: Run
    config: Config
    mixture: Any

    def losses(self) -> list[float]:
        """The loss of each optimizer step."""
        with (self.run.logs / "metrics.csv").open(encoding="utf-8") as file:
            return [float(row["loss"]) for row in csv.DictReader(file)]

    def norms(self) -> list[str]:
        """The gradient's norm before clipping, of each step, where the strategy tells it."""
        with (self.run.logs / "metrics.csv").open(encoding="utf-8") as file:
            return [row["grad_norm"] for row in csv.DictReader(file)]

    def weights(self) -> dict[str, Any]:
        """The exported weights."""
        return load_file(self.run.model / "model.safetensors")

    @cached_property
    def scores(self) -> dict[str, Any]:
        """Every metric of every evaluation task; DDP's processes share the rows out, the others' models are scored by
        one."""
        config = self.config
        if config.strategy.kind != "ddp":
            config = dataclasses.replace(config, trainer=dataclasses.replace(config.trainer, devices=1))
        evaluate.after_training(config, self.run, self.mixture)
        return read_json(self.run.metrics_file)["tasks"]


class Rehearsal:
    """A folder with runs that share one mixture."""

    def __init__(self, folder: Path, data: tuple[str, ...]) -> None:
        self.folder = folder
        self.common = (*SETTINGS, *data, f"paths.output={folder}", f"paths.cache={folder / 'cache'}")
        self.mixture: Any = None
        self.outcomes: dict[str, Outcome] = {}

    def train(self, name: str, *arguments: str) -> Outcome:
        """Starts or continues a run."""
        given = [*self.common, f"name={name}", *arguments]
        config = configured(given)
        run = open_run(config, given)
        self.mixture = self.mixture or build.build(config, run)
        fit.fit(config, run, self.mixture)
        self.outcomes[name] = Outcome(run, config, self.mixture)
        return self.outcomes[name]

    def killed_half_way(self, name: str, copy: str) -> None:
        """A copy of a finished run as a kill would have left it some steps after its first checkpoint."""
        run = self.folder / copy
        shutil.copytree(self.folder / name, run)
        shutil.rmtree(run / "model")
        last = run / "checkpoints" / f"step-{STEPS}.ckpt"
        shutil.rmtree(last) if last.is_dir() else last.unlink()


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The largest difference between two sets of weights."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)
