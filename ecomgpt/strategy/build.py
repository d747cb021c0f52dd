"""From the configuration to a Lightning strategy; each kind has its own small file with the same functions.

- ``build(config)``: Lightning's strategy.
- ``shard(module)``: prepares the network inside ``configure_model``.
- ``skip_step(trainer, module)``: leaves out the optimiser step whose gradients are ready.
- ``full_weights(trainer, module)``: the whole state dict of the language model on the first process, for export.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from ecomgpt.config.schema import Config
from ecomgpt.run.machine import multiplies_bfloat16, on_gpu

if TYPE_CHECKING:
    from lightning.fabric.plugins.environments import ClusterEnvironment


def strategy_module(config: Config) -> ModuleType:
    """The file of the configured kind, imported only now: DeepSpeed is heavy."""
    return importlib.import_module(f"ecomgpt.strategy.{config.strategy.kind}")


def backend(config: Config) -> str:
    """The communication library."""
    return "nccl" if on_gpu(config) else "gloo"


def cluster_environment(config: Config) -> "ClusterEnvironment":
    """Where Lightning learns a process's rank: from the group that started it, never from the cluster's own variables.

    Inside a SLURM job Lightning would take the tasks of the job for its processes, and refuse to train or wait for them.
    """
    from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

    return LightningEnvironment() if config.strategy.kind == "single" else TorchElasticEnvironment()


SMALLEST_HALF = 512
"""Width from which bfloat16 pays on a CPU; below, casting costs more than shorter products save."""


def precision(config: Config) -> str:
    """Lightning's name of the number format.

    ``auto`` is mixed bfloat16 where the hardware multiplies it (recent GPUs; CPUs with AVX512-BF16 or AMX, from a width of
    `SMALLEST_HALF`), mixed fp16 on older GPUs, and float32 on other CPUs.
    """
    names = {"fp32": "32-true", "bf16-mixed": "bf16-mixed", "bf16-true": "bf16-true", "fp16-mixed": "16-mixed"}
    if config.trainer.precision != "auto":
        return names[config.trainer.precision]
    gpu = on_gpu(config)
    if not halves(config, gpu, multiplies_bfloat16(gpu)):
        return "32-true"
    return "bf16-mixed" if not gpu or multiplies_bfloat16(gpu) else "16-mixed"


def halves(config: Config, gpu: bool, bfloat16: bool) -> bool:
    """Whether training computes in 16 bit.

    Args:
        config: The run's configuration.
        gpu: Whether on a GPU.
        bfloat16: Whether the hardware multiplies bfloat16.
    """
    if config.trainer.precision != "auto":
        return config.trainer.precision != "fp32"
    return gpu or (bfloat16 and (config.model.hidden_size or 0) >= SMALLEST_HALF)
