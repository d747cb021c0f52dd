"""The number format of training."""

from ecomgpt.config.schema import TrainerConfig
from ecomgpt.runtime.machine import multiplies_bfloat16, on_gpu

SMALLEST_BFLOAT16_WIDTH = 512
"""Width from which bfloat16 pays on a CPU; below, casting costs more than shorter products save."""
NAMES = {"fp32": "32-true", "bf16-mixed": "bf16-mixed", "bf16-true": "bf16-true", "fp16-mixed": "16-mixed"}
"""Lightning's names of ours."""


def precision(trainer: TrainerConfig, width: int | None) -> str:
    """Lightning's name of the number format.

    ``auto`` is mixed bfloat16 where the hardware multiplies it (recent GPUs; CPUs with AVX512-BF16 or AMX, from a width
    of `SMALLEST_BFLOAT16_WIDTH`), mixed fp16 on older GPUs, and float32 on other CPUs.

    Args:
        trainer: The configured format and hardware.
        width: The model's hidden size.
    """
    if trainer.precision != "auto":
        return NAMES[trainer.precision]
    gpu = on_gpu(trainer)
    bfloat16 = multiplies_bfloat16(gpu)
    if not uses_16bit(trainer, width, gpu, bfloat16):
        return "32-true"
    return "bf16-mixed" if bfloat16 or not gpu else "16-mixed"


def uses_16bit(trainer: TrainerConfig, width: int | None, gpu: bool, bfloat16: bool) -> bool:
    """Tells whether training computes in 16 bits.

    Args:
        trainer: The configured format.
        width: The model's hidden size.
        gpu: Whether it runs on a GPU.
        bfloat16: Whether the hardware multiplies bfloat16.
    """
    if trainer.precision != "auto":
        return trainer.precision != "fp32"
    return gpu or (bfloat16 and (width or 0) >= SMALLEST_BFLOAT16_WIDTH)
