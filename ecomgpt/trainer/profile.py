"""Where the time of training goes: ``logs/profile.csv``, ``logs/profile.md`` and ``figures/profile.png``."""

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ecomgpt.common.files import write_text
from ecomgpt.runtime.directory import Run

PHASES = {
    "data": "waiting for the loader",
    "forward": "embedding and blocks",
    "head": "head and loss on answer tokens",
    "backward": "gradients of both",
    "optimizer": "clipping, AdamW, clearing gradients",
    "validation": "loss on validation rows, shared out over the steps",
    "other": "records, checkpoints",
}


class Profile:
    """Sums the seconds of each phase over all steps but the first, which pays for what is only done once.

    `ecomgpt.trainer.steps.Steps` says where a phase ends. On GPUs each border waits for the device, which costs a
    little speed.

    Args:
        run: Gets the table and the figure, from the first process.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.steps = 0
        self._mark = time.perf_counter()

    def phase_ends(self, phase: str) -> None:
        """Everything since the last border was this phase."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        moment = time.perf_counter()
        self.seconds[phase] += moment - self._mark
        self._mark = moment

    def start(self, module: Any) -> None:
        """Watches the two parts of the forward pass."""
        blocks, head = module.language_model.base_model, module.language_model.get_output_embeddings()
        self._hooks = [
            part.register_forward_hook(self._after(name)) for part, name in ((blocks, "forward"), (head, "head"))
        ]
        self._mark = time.perf_counter()

    def _after(self, phase: str) -> Callable[..., None]:
        """A hook for a module's forward pass; those of validation belong to no phase of a step."""
        return lambda module, *_: self.phase_ends(phase) if module.training else None

    def after_step(self) -> None:
        """Counts the step; what the first one took is forgotten."""
        self.steps += 1
        if self.steps == 1:
            self.seconds = dict.fromkeys(PHASES, 0.0)

    def stop(self, first_process: bool) -> None:
        """Writes what was found."""
        for hook in self._hooks:
            hook.remove()
        if first_process and self.steps > 1:
            write(self.run, self.seconds, self.steps - 1)


def write(run: Run, seconds: dict[str, float], steps: int) -> None:
    """The table, as CSV and Markdown, and the figure."""
    whole = sum(seconds.values()) or 1.0
    rows = [(phase, seconds[phase] / steps, seconds[phase] / whole, meaning) for phase, meaning in PHASES.items()]
    with (run.logs / "profile.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("phase", "seconds_per_step", "share", "meaning"))
        writer.writerows((phase, f"{mean:.6f}", f"{share:.4f}", meaning) for phase, mean, share, meaning in rows)
    head = f"Time of a step, mean of {steps} steps without the first.\n\n"
    head += "| phase | seconds | share | what it is |\n| - | -: | -: | - |\n"
    lines = [f"| {phase} | {mean:.4f} | {share:.1%} | {meaning} |\n" for phase, mean, share, meaning in rows]
    write_text(run.logs / "profile.md", head + "".join(lines))
    figure(run.path / "figures" / "profile.png", rows)


def figure(path: Path, rows: list[tuple[str, float, float, str]]) -> None:
    """One bar per phase, in the order of a step."""
    from matplotlib.figure import Figure

    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = Figure(figsize=(7, 3.1), layout="constrained")
    axes = canvas.subplots()
    bars = axes.barh([phase for phase, *_ in rows], [mean for _, mean, *_ in rows], color="#33658a")
    axes.bar_label(bars, [f"{mean:.3g} s, {share:.1%}" for _, mean, share, _ in rows], padding=4)
    axes.invert_yaxis()
    axes.set_xlabel("seconds per step")
    axes.margins(x=0.22)
    axes.spines[["top", "right"]].set_visible(False)
    canvas.savefig(path, dpi=150)
