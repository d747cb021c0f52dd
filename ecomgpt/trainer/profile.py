"""Where the time of training goes: ``logs/profile.csv``, ``logs/profile.md`` and ``figures/profile.png``."""

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from ecomgpt.run.directory import Run

PHASES = {
    "data": "waiting for the loader",
    "forward": "embedding and blocks",
    "head": "head and loss on answer tokens",
    "backward": "gradients of both",
    "optimiser": "clipping, AdamW, clearing gradients",
    "validation": "loss on validation rows, shared out over the steps",
    "other": "records, checkpoints",
}


class Profile(Callback):
    """Sums the seconds of each phase over all steps but the first, which pays for what is only done once.

    Must stand before the other callbacks, so that their work counts as "other". On GPUs each border waits for the device, which costs a
    little speed.

    Args:
        run: Gets the table and the figure, from the first process.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.steps = 0
        self._mark = time.perf_counter()

    def _until_now(self, phase: str) -> None:
        """Everything since the last border was this phase."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        moment = time.perf_counter()
        self.seconds[phase] += moment - self._mark
        self._mark = moment

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        blocks, head = module.language_model.base_model, module.language_model.get_output_embeddings()
        self._hooks = [
            blocks.register_forward_hook(self._after("forward")),
            head.register_forward_hook(self._after("head")),
        ]
        self._mark = time.perf_counter()

    def _after(self, phase: str) -> Callable[..., None]:
        """A hook for a module's forward pass; those of validation belong to no phase of a step."""
        return lambda module, *_: self._until_now(phase) if module.training else None

    def on_train_batch_start(self, *arguments: Any) -> None:
        self._until_now("data")

    def on_validation_end(self, *arguments: Any) -> None:
        self._until_now("validation")

    def on_before_backward(self, *arguments: Any) -> None:
        self._until_now("head")

    def on_after_backward(self, *arguments: Any) -> None:
        self._until_now("backward")

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, index: int) -> None:
        self._until_now("optimiser")
        if (index + 1) % trainer.accumulate_grad_batches == 0:
            self.steps += 1
            if self.steps == 1:
                self.seconds = dict.fromkeys(PHASES, 0.0)

    def after_callbacks(self) -> None:
        """The border between the other callbacks' work and the wait for the next micro-batch."""
        self._until_now("other")

    def on_train_end(self, trainer: L.Trainer, module: Any) -> None:
        for hook in self._hooks:
            hook.remove()
        if trainer.is_global_zero and self.steps > 1:
            write(self.run, self.seconds, self.steps - 1)


class ProfileEnd(Callback):
    """Stands after all other callbacks and tells `Profile` that they are done."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.profile.after_callbacks()


def write(run: Run, seconds: dict[str, float], steps: int) -> None:
    """The table, as CSV and Markdown, and the figure."""
    whole = sum(seconds.values()) or 1.0
    rows = [(phase, seconds[phase] / steps, seconds[phase] / whole, meaning) for phase, meaning in PHASES.items()]
    with (run.logs / "profile.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("phase", "seconds_per_step", "share", "meaning"))
        writer.writerows((phase, f"{mean:.6f}", f"{share:.4f}", meaning) for phase, mean, share, meaning in rows)
    lines = [
        f"Time of a step, mean of {steps} steps without the first.",
        "",
        "| phase | seconds | share | what it is |",
        "| - | -: | -: | - |",
    ]
    lines += [f"| {phase} | {mean:.4f} | {share:.1%} | {meaning} |" for phase, mean, share, meaning in rows]
    (run.logs / "profile.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    figure(run.path / "figures" / "profile.png", rows)


def figure(path: Path, rows: list[tuple[str, float, float, str]]) -> None:
    """One bar a phase, longest on top as in the order of a step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    canvas, axes = pyplot.subplots(figsize=(7, 3.1), layout="constrained")
    names = [phase for phase, *_ in rows][::-1]
    bars = axes.barh(names, [mean for _, mean, *_ in rows][::-1], color="#33658a")
    axes.bar_label(bars, [f"{mean:.3g} s, {share:.1%}" for _, mean, share, _ in rows][::-1], padding=4)
    axes.set_xlabel("seconds a step")
    axes.margins(x=0.22)
    axes.spines[["top", "right"]].set_visible(False)
    canvas.savefig(path, dpi=150)
    pyplot.close(canvas)
