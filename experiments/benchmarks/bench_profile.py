"""Where the time of one of `bench_train.py`'s own steps goes, by PyTorch's profiler: the table in `train.md`, as
Markdown.

    OMP_NUM_THREADS=2 python experiments/benchmarks/bench_profile.py

Takes BLOOMZ-560M's shape in float32 and bfloat16, each in a process of its own, and profiles the last step.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from bench_contenders import build, ours
from bench_train import choose_steps, write_examples
from lightning.pytorch.callbacks import Callback

from ecomgpt.data.store import Examples

GROUPS = {
    "matrix products": (
        "aten::mm",
        "aten::addmm",
        "aten::addmm_",
        "aten::bmm",
        "mkldnn::_linear_pointwise",
        "aten::mkldnn_linear",
    ),
    "attention, forward": ("aten::_scaled_dot_product_flash_attention_for_cpu",),
    "attention, backward": ("aten::_scaled_dot_product_flash_attention_for_cpu_backward",),
    "GELU, both ways and once again": ("aten::gelu", "aten::gelu_backward"),
    "layer norms, both ways and once again": ("aten::native_layer_norm", "aten::native_layer_norm_backward"),
    "casts, copies, sums of gradients": (
        "aten::copy_",
        "aten::cat",
        "aten::add_",
        "aten::add",
        "aten::sum",
        "aten::fill_",
        "aten::zero_",
    ),
    "AdamW and clipping": (
        "aten::_fused_adamw_",
        "aten::linalg_vector_norm",
        "aten::_foreach_norm",
        "aten::_foreach_mul_",
        "aten::mul_",
    ),
}


class LastStep(Callback):
    """Profiles the step with this number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.profile = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        if index == self.number:
            self.profile.start()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        if index == self.number:
            self.profile.stop()


def one(dtype: str) -> None:
    """Prints seconds by group, a line each."""
    with tempfile.TemporaryDirectory() as folder:
        write_examples(Path(folder))
        examples = Examples(Path(folder))
        steps = choose_steps(examples, 2, 4)
        last = LastStep(len(steps) - 1)
        measured = ours(build("bloomz_560m"), examples, steps, dtype, Path(folder) / "out", last)
    seconds = {event.key: event.self_cpu_time_total / 1e6 for event in last.profile.key_averages()}
    named = {group: sum(seconds.pop(name, 0.0) for name in names) for group, names in GROUPS.items()}
    for group, value in {**named, "the rest": sum(seconds.values()), "whole step": measured[-1]["seconds"]}.items():
        print(f"{group}={value:.2f}")


def main() -> None:
    """Prints the table."""
    columns = []
    for dtype in ("float32", "bfloat16"):
        done = subprocess.run([sys.executable, __file__, dtype], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        columns.append(dict(line.split("=") for line in done.stdout.split("\n") if line.count("=") == 1))
    print("| | float32 | bfloat16 |\n| - | -: | -: |")
    for group in columns[0]:
        print(f"| {group} | {columns[0][group]} | {columns[1][group]} |")


if __name__ == "__main__":
    one(sys.argv[1]) if len(sys.argv) > 1 else main()
