"""From datasets on disk to instructions, one split at a time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ecomgpt.config.schema import Config
from ecomgpt.data.choose import wanted_tasks
from ecomgpt.data.split import split_of
from ecomgpt.sources.catalog import ReadCounts, load_catalog, locate, missing, read
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.labelled import labelled_datasets
from ecomgpt.sources.records import Record
from ecomgpt.tasks.declaration import Task, load_tasks
from ecomgpt.tasks.engine import BLOCK, TaskCounts, instructions
from ecomgpt.tasks.instruction import Instruction


@dataclass
class Found:
    """The datasets of a run.

    Attributes:
        datasets: Those that are used.
        missing: One line for each that is not there, with how to get it.
        excluded: One line for each that is left out, with the reason.
    """

    datasets: list[Dataset] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)


@dataclass
class Counts:
    """What became of a dataset's rows.

    Attributes:
        rows: Of the files.
        splits: Records by split.
        tasks: Instructions by split and full task name.
    """

    rows: ReadCounts = field(default_factory=ReadCounts)
    splits: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, dict[str, TaskCounts]] = field(default_factory=dict)


def data_root(config: Config) -> Path:
    """The folder with ``raw/`` and ``ecom_instruct_v1/``."""
    return Path(config.paths.data).expanduser()


def pseudo_root(config: Config) -> Path:
    """The folder of pseudo-labelled records."""
    return Path(config.paths.pseudo).expanduser() if config.paths.pseudo else data_root(config) / "pseudo"


def catalog(config: Config, names: list[str] | None) -> list[Dataset]:
    """The declared datasets with the run's own reader options (``sources.options``)."""
    datasets = load_catalog(names, config.paths.conf)
    return [replace(dataset, options={**dataset.options, **config.sources.options.get(dataset.name, {})}) for dataset in datasets]


def find(config: Config) -> Found:
    """Looks which datasets of the catalogue are there and may be used.

    A dataset that is the training side of a task of the run's evaluation suite is left out unless it is named in
    ``sources.include_excluded``.
    """
    found = Found()
    wants_pseudo = "pseudo" in config.data.labels and "atomic" in config.data.kinds
    for dataset in catalog(config, config.sources.datasets):
        labels = labelled_datasets(dataset, pseudo_root(config)) if wants_pseudo else []
        guarded = sorted(set(dataset.protects) & set(config.eval.tasks))
        reason = dataset.excluded or (f"it is the training side of {', '.join(guarded)}" if guarded else None)
        generated = config.sources.datasets is None and dataset.reader == "demo"
        if generated:
            continue
        if reason and dataset.name not in config.sources.include_excluded:
            found.excluded += [f"{one.name}: {reason}" for one in (dataset, *labels)]
            continue
        found.datasets += labels
        if locate(dataset, data_root(config)):
            found.datasets.append(dataset)
        else:
            found.missing.append(missing(dataset, data_root(config)))
    return found


def make(
    config: Config, dataset: Dataset, tasks: Sequence[Task], splits: Sequence[str], counts: Counts, seed: int
) -> Iterator[Instruction]:
    """The instructions of some splits of a dataset, in one pass over its rows.

    Recombination draws its distractors from the same split, so that no test product shows up in a training example.

    Args:
        config: The run's configuration.
        dataset: The dataset.
        tasks: What to make of it.
        splits: Which splits.
        counts: Filled on the way.
        seed: Decides wordings, candidates and distractors.

    Yields:
        Instructions whose ``split`` says where they belong.
    """
    official = official_test(config, dataset)
    buffers: dict[str, list[Record]] = {split: [] for split in splits}
    for record in read(dataset, data_root(config), counts.rows, config.sources.max_bad_rows):
        if record.language not in config.data.languages:
            counts.splits["other language"] += 1
            continue
        split = split_of(record, dataset.splits_of or dataset.name, config.data, official)
        counts.splits[split] += 1
        if split in buffers:
            buffers[split].append(record)
            if len(buffers[split]) == BLOCK:
                yield from _block(dataset, tasks, split, buffers, counts, seed)
    for split in splits:
        yield from _block(dataset, tasks, split, buffers, counts, seed)


def official_test(config: Config, dataset: Dataset) -> bool:
    """Whether the dataset, or the one whose texts it labels, comes with a test split."""
    return bool(dataset.options.get("official_test")) or any(split == "test" for split, _ in locate(dataset, data_root(config)))


def _block(
    dataset: Dataset, tasks: Sequence[Task], split: str, buffers: dict[str, list[Record]], counts: Counts, seed: int
) -> Iterator[Instruction]:
    records, buffers[split] = buffers[split], []
    for instruction in instructions(dataset, records, list(tasks), seed, counts.tasks.setdefault(split, {})):
        yield instruction if instruction.split == split else replace(instruction, split=split)


def planned(config: Config, found: Found, held_out: Sequence[str]) -> dict[str, list[Task]]:
    """The tasks that the mixture takes from each dataset."""
    tasks = load_tasks(None, config.paths.conf)
    return {dataset.name: wanted_tasks(tasks, dataset, config.data, held_out) for dataset in found.datasets}
