"""The first stage of a mixture: records to instructions, leaks removed, capped and balanced."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import write_json
from ecomgpt.common.progress import track
from ecomgpt.config.schema import Config
from ecomgpt.data import manifest
from ecomgpt.data.choose import Chooser, PlannedTask, Quota, top_k_per_task
from ecomgpt.data.instructions import Block, BlockCounts, FoundDatasets, blocks, data_root, planned
from ecomgpt.data.leaks import Leaks
from ecomgpt.data.parallel import ordered
from ecomgpt.data.parts import Part, PartMaker
from ecomgpt.data.prepared import SPLITS
from ecomgpt.data.protect import Protection
from ecomgpt.data.store import InstructionWriter, read_batches


def write_instruction_files(config: Config, found: FoundDatasets, protection: Protection, folder: Path) -> None:
    """Writes ``<split>.arrow``, ``<split>_order.npy`` (each row's key of `choose.sort_keys`) and the manifest."""
    tasks = _tasks(config, found, protection)
    counts = {dataset.name: BlockCounts() for dataset in found.datasets}
    leaks = {split: Leaks() for split in SPLITS}
    offered = {split: Counter[str]() for split in SPLITS}
    unmerged = folder / "parts"
    unmerged.mkdir()
    make = partial(PartMaker, config.data, config.seed, tasks, protection.texts(), unmerged)
    parts = []
    for part in ordered(make, enumerate(_blocks(config, found, counts)), config.data.processes):
        counts[part.dataset].add(part.split, part.counts)
        leaks[part.split].merge(part.leaks)
        offered[part.split] += part.offered
        parts.append(part)
    chooser = Chooser(config.data, config.seed, tasks)
    there = {split: np.array([offered[split][task.name] for task in tasks], dtype=np.int64) for split in SPLITS}
    quotas = {split: chooser.quota(split, there[split], there["train"]) for split in SPLITS}
    for split in SPLITS:
        keys = _merge([part for part in parts if part.split == split], quotas[split], folder / f"{split}.arrow")
        np.save(folder / f"{split}_order.npy", keys)
    unmerged.rmdir()
    contents = manifest.of_instructions(config.data.name, found, tasks, counts, leaks, quotas, protection)
    write_json(folder / manifest.FILE, contents)


def _tasks(config: Config, found: FoundDatasets, protection: Protection) -> list[PlannedTask]:
    """The mixture's tasks; their places in this list are their numbers."""
    if not found.datasets:
        raise UserError(
            f"sources={config.sources.name}: no dataset was found in '{config.paths.data}/raw'; "
            "give paths.data=<folder>, or use sources=demo",
            *found.missing,
        )
    tasks = planned(config.data, found.datasets, protection.tasks, config.paths.conf)
    if not tasks:
        names = ", ".join(dataset.name for dataset in found.datasets)
        raise UserError(
            f"data={config.data.name}: no task is left for {names}; loosen data.families, data.tasks or data.exclude"
        )
    return tasks


def _blocks(config: Config, found: FoundDatasets, counts: dict[str, BlockCounts]) -> Iterator[Block]:
    broken: list[str] = []
    for dataset in found.datasets:
        try:
            root, bad_rows = data_root(config.paths), config.sources.max_bad_rows
            what = f"building {dataset.name}"
            yield from blocks(dataset, root, config.data, bad_rows, SPLITS, counts[dataset.name], what)
        except UserError as error:
            broken += error.problems  # The other datasets may be broken too: report everything at once.
    if broken:
        raise UserError(*broken)


def _merge(parts: Sequence[Part], quota: Quota, path: Path) -> np.ndarray:
    """Merges the chosen instructions of all parts into one file, in the order of the parts, and deletes the parts.

    Returns:
        The sort key of each, shape (instructions,), uint64.
    """
    tasks = np.concatenate([np.empty(0, np.int32), *(part.tasks for part in parts)])
    keys = np.concatenate([np.empty(0, np.uint64), *(part.keys for part in parts)])
    chosen = top_k_per_task(tasks, keys, quota.kept)
    start = 0
    with InstructionWriter(path) as writer:
        for part in track(parts, f"writing {path.name}", len(parts)):
            for batch in read_batches(part.path):
                writer.add(batch.filter(pa.array(chosen[start : start + len(batch)])))
                start += len(batch)
            part.path.unlink()
    return keys[chosen]
