"""Kills a training run at random moments until it has had enough, lets it finish, and compares it with one left in
peace.

``python tests/trainer/kills.py <folder> <kills> [<override> ...]`` prints a JSON object. A process of its own: each
attempt is a fork, so that the imports of several seconds are paid once, and forks want a parent without threads.
"""

import csv
import importlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

TINY = (
    "job=fit",
    "eval=none",
    "model.hidden_size=16",
    "model.layers=2",
    "model.heads=2",
    "model.vocabulary=400",
    "sources.options.demo_store.products=12",
    "data.tasks=[product_category,intent_of_text]",
    "trainer.batch_tokens=512",
    "trainer.micro_rows=1",
    "trainer.row_tokens=256",
    "trainer.max_steps=150",
    "trainer.log_every=1000",
    "trainer.loggers=[]",
)
SAME = ("step", "loss", "learning_rate", "grad_norm", "examples", "tokens", "target_tokens")


def attempt(name: str, arguments: list[str], mixture: Any, fault: Callable[[], None] | None = None) -> int:
    """Starts or continues a run in a child process; returns its id."""
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    log = os.open(f"{name}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        from ecomgpt.job.fit import fit
        from ecomgpt.runtime.directory import open_run

        if fault:
            fault()
        config = configured(name, arguments)
        fit(config, open_run(config, arguments), mixture)
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def configured(name: str, arguments: list[str]) -> Any:
    from ecomgpt.plan import configuration

    given = [*TINY, f"name={name}", "paths.output=outputs", *arguments]
    return configuration.configured(given)


def prepared(arguments: list[str]) -> Any:
    """The mixture, built once: what is killed here is training."""
    from ecomgpt.job.build import build
    from ecomgpt.runtime.directory import open_run

    config = configured("mixture", arguments)
    return build(config, open_run(config, arguments))


def wait_for_steps(before: int, number: int, child: int) -> None:
    """Until training, which writes its curve anew when it begins, has made so many steps."""
    curve = Path("outputs/war/logs/metrics.csv")
    first: int | None = None
    while first is None or len(curve.read_bytes().splitlines()) - first < number:
        if first is None and curve.stat().st_ino != before:
            first = len(curve.read_bytes().splitlines())
        assert Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z", Path("war.txt").read_text()
        time.sleep(0.002)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_writing() -> None:
    """Half of the checkpoint is on the disk."""
    import torch

    whole = torch.save

    def half(checkpoint: Any, file: BinaryIO) -> None:
        whole(checkpoint, file)
        file.truncate(file.tell() // 2)
        file.flush()
        die()

    torch.save = half  # type: ignore[assignment]


def before_moving() -> None:
    """The checkpoint is written and still has its temporary name."""
    from ecomgpt.trainer.checkpoints import Checkpoints

    Checkpoints._move = lambda *_: die()


def before_pruning() -> None:
    """The checkpoint is in place and an old one is to be deleted."""
    from ecomgpt.trainer import checkpoints

    remove = checkpoints.remove
    checkpoints.remove = lambda path: die() if path.name.startswith("step-") and path.exists() else remove(path)


def main(folder: str, kills: int, *arguments: str) -> None:
    os.chdir(folder)
    warm()
    mixture = prepared(list(arguments))
    moments = random.Random(0)
    started = time.monotonic()
    assert os.waitpid(attempt("peace", list(arguments), mixture), 0)[1] == 0, Path("peace.txt").read_text()
    rows = history("peace")
    training = sum(float(row["seconds"]) for row in rows)
    starting, step = time.monotonic() - started - training, training / len(rows)
    struck, unfinished, steps = 0, 0, []
    for fault in (in_writing, before_moving, before_pruning):
        child = attempt("war", list(arguments), mixture, fault)
        struck += os.waitpid(child, 0)[1] == signal.SIGKILL
        unfinished += any(Path("outputs/war/checkpoints").glob(".writing-*"))
    while struck < kills:
        begun = Path("outputs/war/logs/metrics.csv").stat().st_ino
        child = attempt("war", list(arguments), mixture)
        if struck % 4:
            wait_for_steps(begun, moments.randint(0, 6), child)
            time.sleep(moments.uniform(0, 2 * step))
        else:
            time.sleep(moments.uniform(0, starting))
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if status != signal.SIGKILL:
            break
        struck += 1
        unfinished += any(Path("outputs/war/checkpoints").glob(".writing-*"))
        steps.append(
            max((int(path.stem[5:]) for path in Path("outputs/war/checkpoints").glob("step-*.ckpt")), default=0)
        )
    last = os.waitpid(attempt("war", list(arguments), mixture), 0)[1]
    print(json.dumps({"kills": struck, "in_writing": unfinished, "steps": steps, "last": last, **compare()}))


def warm() -> None:
    """Imports what every attempt needs."""
    for name in (
        *(f"ecomgpt.trainer.{part}" for part in ("assemble", "steps", "extensions", "module")),
        "ecomgpt.model.export",
        "peft",
    ):
        importlib.import_module(name)


def history(name: str) -> list[dict[str, str]]:
    with Path("outputs", name, "logs/metrics.csv").open() as file:
        return list(csv.DictReader(file))


def compare() -> dict:
    from safetensors.torch import load_file

    peace, war = (load_file(f"outputs/{name}/model/model.safetensors") for name in ("peace", "war"))
    curves = [[[row[column] for column in SAME] for row in history(name)] for name in ("peace", "war")]
    return {
        "weights": peace.keys() == war.keys() and all(bool((peace[name] == war[name]).all()) for name in peace),
        "curve": curves[0] == curves[1],
        "rows": len(curves[1]),
    }


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
