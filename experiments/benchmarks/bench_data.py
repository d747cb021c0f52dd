"""Measures how long a mixture takes to prepare, and how much memory, at several sizes; writes a table beside this file.

    python experiments/benchmarks/bench_data.py                 # 25k, 250k and 2.5 million instructions
    python experiments/benchmarks/bench_data.py --products 65   # one small size, to try it

Each size is the command that stands in the table, started with an empty cache on two cores (other cores are taken away
by CPU affinity), then once more: the second start finds everything. Wall time is that of the whole command, from the
start of Python to its end. Memory is the largest sum, over the command's process and its children, of the resident set
sizes, looked at ten times a second; pages that processes share (libraries) count once for each process, so the true
figure is lower.
"""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PRODUCTS = (65, 650, 6500)
"""Of each language; a product gives some 190 training instructions."""
CORES = 2
PACKAGES = ("ecomgpt", "pyarrow", "tokenizers", "numpy", "hydra-core", "datasets")


def command(products: int, name: str) -> list[str]:
    """All tasks of the demo store, no cap on a task, a BLOOM-like tokenizer of 6,000 tokens trained on a sample."""
    return [
        "job=build",
        "sources=demo",
        "data=full_cot",
        "eval=none",
        "data.tasks=null",
        "data.max_examples_per_task=null",
        f"sources.options.demo_store.products={products}",
        f"name={name}",
    ]


class Peak(threading.Thread):
    """Watches the memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process, self.rss, self.processes, self.ended = psutil.Process(pid), 0, 0, threading.Event()

    def run(self) -> None:
        """Looks until told to stop."""
        while not self.ended.wait(0.1):
            sizes = []
            for one in self._tree():
                try:
                    sizes.append(one.memory_info().rss)
                except psutil.Error:
                    continue
            self.rss, self.processes = max(self.rss, sum(sizes)), max(self.processes, len(sizes))

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.Error:
            return []


def run(arguments: list[str], home: Path, cores: set[int]) -> dict[str, Any]:
    """Runs the command once: wall and processor seconds, and the peak of memory."""
    environment = {**os.environ, "ECOMGPT_CACHE": str(home / "cache"), "PYTHONPATH": str(ROOT)}
    before, started = os.times(), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "ecomgpt", *arguments],
        cwd=home,
        env=environment,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    peak = Peak(process.pid)
    peak.start()
    code = process.wait()
    seconds, after = time.perf_counter() - started, os.times()
    peak.ended.set()
    peak.join()
    if code:
        sys.exit(f"the command failed with exit code {code}: {shlex.join(arguments)}")
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "seconds": round(seconds, 2),
        "processor_seconds": round(processor, 1),
        "peak_bytes": peak.rss,
        "processes": peak.processes,
    }


def measure(products: int, cores: set[int]) -> dict[str, Any]:
    """One size: the first start and the second."""
    with tempfile.TemporaryDirectory(prefix="ecomgpt-bench-") as folder:
        home = Path(folder)
        first = run(command(products, "first"), home, cores)
        second = run(command(products, "second"), home, cores)
        manifest = json.loads((home / "outputs" / "first" / "data" / "manifest.json").read_text())
        again = json.loads((home / "outputs" / "second" / "data" / "manifest.json").read_text())
        if manifest != again:
            sys.exit("the second start gave another mixture")
        size = sum(path.stat().st_size for path in (home / "cache").rglob("*") if path.is_file())
    return {
        "products": products,
        "examples": manifest["examples"],
        "validation_examples": manifest["validation_examples"],
        "tokens": manifest["tokens"],
        "tasks": len(manifest["tasks"]),
        "cache_bytes": size,
        "first": first,
        "second": second,
    }


def table(facts: dict[str, Any]) -> str:
    """The results for people."""
    lines = [
        "# Preparing a mixture",
        "",
        f"Measured on {facts['date']} by `python experiments/benchmarks/bench_data.py`: {facts['machine']}, "
        f"{facts['cores']} cores, "
        f"load {facts['load']} at the start. Python {facts['python']}, "
        + ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
        + ".",
        "",
        "From nothing to token files and a manifest that are ready to train; `second start` is the same command "
        "again. Memory is "
        "the largest sum of resident set sizes over all processes.",
        "",
        "| training examples | tokens | tasks | wall | a million | processor | memory | on disk | second start |",
        "| -: | -: | -: | -: | -: | -: | -: | -: | -: |",
    ]
    for one in facts["results"]:
        first = one["first"]
        lines.append(
            f"| {one['examples']:,} | {one['tokens']:,} | {one['tasks']} | {first['seconds']:.1f} s "
            f"| {first['seconds'] / one['examples'] * 1e6:.0f} s | {first['processor_seconds']:.0f} s "
            f"| {first['peak_bytes'] / 2**20:,.0f} MiB | {one['cache_bytes'] / 2**20:,.0f} MiB | "
            f"{one['second']['seconds']:.2f} s |"
        )
    largest = command(facts["results"][-1]["products"], "<name>")
    return "\n".join(
        [*lines, "", "The last row's command:", "", "```", f"python -m ecomgpt {' '.join(largest)}", "```", ""]
    )


def main() -> None:
    """Measures all sizes and writes ``data.json`` and ``data.md``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, nargs="+", default=PRODUCTS, help="sizes, in products of each language")
    parser.add_argument("--output", type=Path, default=HERE, help="where the table goes")
    options = parser.parse_args()
    cores = set(sorted(os.sched_getaffinity(0))[:CORES])
    sys.path.insert(0, str(ROOT))
    from ecomgpt.runtime.environment import _commit, _cpu

    facts: dict[str, Any] = {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["python", "experiments/benchmarks/bench_data.py", *sys.argv[1:]]),
        "commit": _commit(),
        "machine": _cpu(),
        "cores": len(cores),
        "memory_bytes": psutil.virtual_memory().total,
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: metadata.version(name) for name in PACKAGES if _installed(name)},
        "results": [],
    }
    for products in options.products:
        facts["results"].append(measure(products, cores))
        print(json.dumps(facts["results"][-1]), flush=True)
    (options.output / "data.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (options.output / "data.md").write_text(table(facts), encoding="utf-8")
    print(table(facts))


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
