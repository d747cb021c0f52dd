"""What hardware is here."""

import dataclasses

from ecomgpt.config.schema import Config, TrainerConfig


@dataclasses.dataclass(frozen=True)
class Machine:
    """What is here.

    Attributes:
        devices: CUDA devices; 0 for the CPU.
        device_bytes: Memory of one of them, or main memory.
        host_bytes: Main memory.
        name: For people.
        bfloat16: Whether the hardware multiplies it, so that ``precision=auto`` does.
    """

    devices: int
    device_bytes: int
    host_bytes: int
    name: str
    bfloat16: bool


def machine(config: Config) -> Machine:
    """Looks at the hardware."""
    import psutil
    import torch

    host, gpu = psutil.virtual_memory().total, on_gpu(config.trainer)
    if gpu:
        properties = torch.cuda.get_device_properties(0)
        return Machine(
            torch.cuda.device_count(), properties.total_memory, host, properties.name, multiplies_bfloat16(gpu)
        )
    return Machine(0, host, host, "CPU", multiplies_bfloat16(gpu))


def on_gpu(trainer: TrainerConfig) -> bool:
    """Whether the run uses CUDA devices."""
    import torch

    return trainer.accelerator != "cpu" and torch.cuda.is_available()


def multiplies_bfloat16(gpu: bool) -> bool:
    """Whether the hardware of this machine does."""
    import torch

    if gpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
