"""The recipe of training."""

from dataclasses import dataclass
from typing import Any

from ecomgpt.config.options import FREE, REQUIRED, option

COMPUTES = ("run", "fit", "plan", "evaluate", "predict")


@dataclass
class TrainerConfig:
    """Optimization, precision, hardware and checkpoints."""

    name: str = option(REQUIRED, "name of the recipe")
    devices: int = option(
        1,
        "processes on this machine: one per GPU, or CPU processes for a rehearsal",
        low=1,
        jobs=COMPUTES,
        resume=True,
        common=True,
    )
    nodes: int = option(1, "machines", low=1, resume=True)
    accelerator: str = option("auto", "hardware", choices=("auto", "cpu", "gpu"), jobs=COMPUTES, resume=True)
    precision: str = option(
        "auto",
        "number format",
        choices=("auto", "fp32", "bf16-mixed", "bf16-true", "fp16-mixed"),
        jobs=COMPUTES,
        common=True,
    )
    epochs: float = option(1.0, "passes over the mixture; the number of steps is rounded up", low=0.001)
    max_steps: int | None = option(None, "optimizer steps; null for as many as the epochs give", low=1, common=True)
    max_minutes: float | None = option(None, "stop training after this many minutes", low=0, resume=True)
    batch_tokens: int = option(16384, "global batch size: tokens per optimizer step, over all devices", low=32)
    row_tokens: int | None = option(
        None, "maximum sequence length: tokens of a packed row; null for data.max_length", low=32
    )
    micro_rows: int | None = option(
        None,
        "micro batch size: packed rows per device and forward pass; null for 1, or for what batch=auto finds",
        low=1,
        resume=True,
    )
    batch: str = option(
        "given",
        "auto chooses micro_rows and gradient_checkpointing to fill the memory; the tokens per step stay",
        choices=("given", "auto"),
    )
    learning_rate: float = option(2.0e-5, "peak learning rate", low=0, common=True)
    warmup: float = option(0.03, "share of the steps spent warming up", low=0, high=1)
    schedule: str = option("cosine", "learning rate after the warm-up", choices=("cosine", "linear", "constant"))
    final_learning_rate: float = option(0.1, "where the schedule ends, as a share of the peak", low=0, high=1)
    weight_decay: float = option(0.01, "weight decay of matrices; norms and biases have none", low=0)
    betas: list[float] = option(lambda: [0.9, 0.95], "AdamW's two betas")
    clip_norm: float | None = option(
        1.0, "maximum gradient norm, to which longer gradients are clipped; null for none", low=0
    )
    loss_weighting: str = option("token", "what counts equally in the loss", choices=("token", "example", "task"))
    gradient_checkpointing: bool = option(False, "recompute activations to save memory", resume=True)
    checkpoint_every: int = option(200, "optimizer steps between checkpoints", low=1, **FREE, common=True)
    keep_checkpoints: int = option(2, "number of checkpoints to keep", low=1, **FREE)
    validate_every: int | None = option(None, "optimizer steps between validations; null for the end only", low=1)
    loggers: list[str] = option(
        lambda: ["csv", "tensorboard"], "where metrics go: csv (always written), tensorboard, wandb, mlflow", **FREE
    )
    callbacks: dict[str, dict[str, Any]] = option(
        dict, "Lightning callbacks of your own, by any name: {<name>: {_target_: <package.module.Class>}}"
    )
    on_anomaly: str = option(
        "stop",
        "what to do when a step's loss or gradient is not finite, or spikes",
        choices=("stop", "skip"),
        resume=True,
    )
    spike: float | None = option(
        None, "a loss this many times the median of the last 50 steps is a spike; null for none", low=1, resume=True
    )
    log_every: int = option(5, "optimizer steps between log lines", low=1, **FREE)
    compile: bool = option(False, "torch.compile for the blocks; starts a minute later, then is faster on GPUs")
    profile: bool = option(
        False, "write where the time went: logs/profile.csv, logs/profile.md, figures/profile.png", **FREE
    )
    threads: int | None = option(
        None, "CPU threads per process; null to share all cores between the processes", low=1, jobs=COMPUTES, **FREE
    )
