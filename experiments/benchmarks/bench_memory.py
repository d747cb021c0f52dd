"""The memory that `ecomgpt.plan.memory` estimates, against the peak of real processes.

    python experiments/benchmarks/bench_memory.py            # all, into bench_memory.{csv,md} beside this file
    python experiments/benchmarks/bench_memory.py lora       # renews the rows whose name holds "lora"

Each combination trains two optimizer steps of two micro-batches on random weights and tokens.
"""

import csv
import dataclasses
import platform
import sys
from datetime import date
from pathlib import Path

import psutil
import torch
from allocations import peak_bytes

from ecomgpt.config.schema import Config
from ecomgpt.model.random_weights import random_model
from ecomgpt.plan.configuration import configured
from ecomgpt.plan.measure import measure
from ecomgpt.plan.memory import Workload, estimate
from ecomgpt.plan.preflight import bloom_sizes, of_size

HERE = Path(__file__).parent
SHAPES = {**{name: shape for name, *shape in bloom_sizes()}, "110m": (512, 8, 8)}
"""Width, blocks and heads; the small one keeps BLOOM's 250,880 rows."""
COMBINATIONS: tuple[tuple[str, str, int, int, list[str]], ...] = (
    # name, size, row tokens, rows at once, more of the configuration
    ("110m full, 4 rows of 512", "110m", 512, 4, []),
    ("110m full, 4 rows of 512, checkpointing", "110m", 512, 4, ["trainer.gradient_checkpointing=true"]),
    ("110m lora, 2 rows of 1024", "110m", 1024, 2, ["tuning=lora"]),
    ("110m full, 2 rows of 512, bf16-mixed", "110m", 512, 2, ["trainer.precision=bf16-mixed"]),
    ("560m full, 1 row of 256", "560m", 256, 1, []),
    ("560m lora, 1 row of 512", "560m", 512, 1, ["tuning=lora"]),
    ("110m full, 1 row of 512, ddp over 2", "110m", 512, 1, ["strategy=ddp", "trainer.devices=2"]),
    ("110m full, 1 row of 512, fsdp over 2", "110m", 512, 1, ["strategy=fsdp", "trainer.devices=2"]),
    ("110m full, 1 row of 512, zero2 over 2", "110m", 512, 1, ["strategy=deepspeed_zero2", "trainer.devices=2"]),
    ("110m full, 1 row of 512, zero3 over 2", "110m", 512, 1, ["strategy=deepspeed_zero3", "trainer.devices=2"]),
)
"""Run as real processes."""
COUNTED: tuple[tuple[str, str, int, int, list[str]], ...] = (
    ("560m full, 4 rows of 1024", "560m", 1024, 4, []),
    (
        "560m full, 4 rows of 1024, bf16-mixed, checkpointing",
        "560m",
        1024,
        4,
        ["trainer.precision=bf16-mixed", "trainer.gradient_checkpointing=true"],
    ),
    ("1b7 lora, 2 rows of 1024, bf16-true", "1b7", 1024, 2, ["tuning=lora", "trainer.precision=bf16-true"]),
    ("3b full, 1 row of 1024, bf16-mixed", "3b", 1024, 1, ["trainer.precision=bf16-mixed"]),
    ("3b lora, 4 rows of 1024, bf16-mixed", "3b", 1024, 4, ["tuning=lora", "trainer.precision=bf16-mixed"]),
    ("7b1 full, 2 rows of 2048, bf16-mixed", "7b1", 2048, 2, ["trainer.precision=bf16-mixed"]),
    (
        "7b1 lora, 4 rows of 2048, bf16-mixed, checkpointing",
        "7b1",
        2048,
        4,
        ["tuning=lora", "trainer.precision=bf16-mixed", "trainer.gradient_checkpointing=true"],
    ),
)
"""Too large for small machines: every allocation of PyTorch is counted on tensors without memory."""

COLUMNS = ("combination", "way", "estimated_mb", "measured_mb", "error_percent", "date")


def configuration(size: str, row: int, rows: int, more: list[str]) -> Config:
    """The run's configuration, through the command line's own way."""
    given = [] if any(item.startswith("trainer.precision") for item in more) else ["trainer.precision=fp32"]
    overrides = [
        "model=bloomz_560m",
        "trainer.accelerator=cpu",
        *given,
        f"data.max_length={row}",
        f"trainer.micro_rows={rows}",
        *more,
    ]
    devices = 2 if "trainer.devices=2" in more else 1
    overrides.append(f"trainer.batch_tokens={row * rows * devices * 2}")
    config = configured(overrides)
    return dataclasses.replace(config, model=of_size(config.model, *SHAPES[size]))


def formats(config: Config) -> tuple[bool, bool]:
    """Whether activations are 16-bit, and whether weights stay float32 beside them."""
    return config.trainer.precision.startswith("bf16"), config.trainer.precision == "bf16-mixed"


def main(part: str = "") -> None:
    """Measures what is asked for; each row is written as soon as it is known."""
    names = [name for name, *_ in (*COMBINATIONS, *COUNTED)]
    known = {row["combination"]: row for row in read() if row["combination"] in names}
    for way, combinations, find in (("process", COMBINATIONS, resident), ("counted", COUNTED, counted)):
        for name, size, row, count, more in combinations:
            if part in name:
                config = configuration(size, row, count, more)
                memory = estimate(Workload(config, *formats(config), gpu=way == "counted"))
                assert memory is not None
                guess, found = memory.device if way == "process" else memory.model, find(config)
                values = (
                    name,
                    way,
                    str(round(guess / 1e6)),
                    str(round(found / 1e6)),
                    f"{100 * (guess / found - 1):.1f}",
                    str(date.today()),
                )
                print(*values, sep="\t", flush=True)
                known[name] = dict(zip(COLUMNS, values, strict=True))
                write([known[name] for name in names if name in known])


def read() -> list[dict[str, str]]:
    """What earlier starts have measured."""
    if not (HERE / "bench_memory.csv").is_file():
        return []
    with (HERE / "bench_memory.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(rows: list[dict[str, str]]) -> None:
    """Both files."""
    with (HERE / "bench_memory.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    (HERE / "bench_memory.md").write_text(table(rows), encoding="utf-8")


def resident(config: Config) -> int:
    """Peak of the process that took most, libraries included."""
    return measure(config, steps=2).peak_bytes


def counted(config: Config) -> int:
    """Peak of the sum of all tensors."""
    with torch.device("meta"):
        model = random_model(config.model, config.paths.models)
    return peak_bytes(config, model, *formats(config))


def table(rows: list[dict[str, str]]) -> str:
    """For people."""
    memory = psutil.virtual_memory().total / 1e9
    machine = f"{platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GB, no GPU, torch {torch.__version__}"
    lines = [
        "# Estimated and measured memory",
        "",
        f"`just bench-memory` ({machine}). Two optimizer steps of two micro-batches each; float32 unless it says "
        "otherwise. "
        "Measured of a *process*: the highest resident memory of the largest one, libraries included, as "
        "`job=plan` gives it in all. *Counted*: the "
        "peak of all of PyTorch's allocations, by the real code on tensors without memory, as a GPU would hold "
        "them; no GPU was at hand.",
        "",
        "| combination | way | estimated | measured | error | on |",
        "| - | - | -: | -: | -: | - |",
        *(
            f"| {row['combination']} | {row['way']} | {int(row['estimated_mb']):,} MB | "
            f"{int(row['measured_mb']):,} MB | "
            f"{float(row['error_percent']):+.1f} % | {row['date']} |"
            for row in rows
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
