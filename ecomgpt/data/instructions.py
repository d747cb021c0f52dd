"""From datasets on disk to instructions, one split at a time."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecomgpt.common.progress import track
from ecomgpt.config.schema import DataConfig, PathsConfig, SourcesConfig
from ecomgpt.data.choose import PlannedTask, wanted_tasks
from ecomgpt.data.split import split_of
from ecomgpt.sources.catalog import ReadCounts, expected, load_catalog, locate, missing, read
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.labelled import labelled_datasets
from ecomgpt.sources.records import Record
from ecomgpt.tasks.declaration import load_tasks
from ecomgpt.tasks.engine import BLOCK, TaskCounts


@dataclass
class FoundDatasets:
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
class BlockCounts:
    """What became of a dataset's rows.

    Attributes:
        rows: Of the files.
        splits: Records by split.
        tasks: Instructions by split and full task name.
    """

    rows: ReadCounts = field(default_factory=ReadCounts)
    splits: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, dict[str, TaskCounts]] = field(default_factory=dict)

    def add(self, split: str, tasks: dict[str, TaskCounts]) -> None:
        """The instructions of one more block."""
        for name, counts in tasks.items():
            self.tasks.setdefault(split, {}).setdefault(name, TaskCounts()).add(counts)


def data_root(paths: PathsConfig) -> Path:
    """The folder with ``raw/`` and ``ecom_instruct_v1/``."""
    return Path(paths.data).expanduser()


def pseudo_root(paths: PathsConfig) -> Path:
    """The folder of pseudo-labelled records."""
    return Path(paths.pseudo).expanduser() if paths.pseudo else data_root(paths) / "pseudo"


def catalog(sources: SourcesConfig, own: str | None, names: list[str] | None) -> list[Dataset]:
    """The declared datasets, the user's own included, with the run's own reader options (``sources.options``)."""
    datasets = load_catalog(names, own)
    return [
        dataset.model_copy(update={"options": {**dataset.options, **sources.options.get(dataset.name, {})}})
        for dataset in datasets
    ]


def find(data: DataConfig, sources: SourcesConfig, paths: PathsConfig, suite: Iterable[str]) -> FoundDatasets:
    """Finds the datasets of the catalogue that are there and may be used.

    A dataset that is the training side of an evaluation task is left out unless ``sources.include_excluded`` names it.
    ``suite`` names the run's evaluation tasks.
    """
    found = FoundDatasets()
    wants_pseudo = "pseudo" in data.labels and "atomic" in data.kinds
    for dataset in catalog(sources, paths.conf, sources.datasets):
        labels = labelled_datasets(dataset, pseudo_root(paths)) if wants_pseudo else []
        guarded = sorted(set(dataset.protects) & set(suite))
        reason = dataset.excluded or (f"it is the training side of {', '.join(guarded)}" if guarded else None)
        if sources.datasets is None and dataset.reader == "demo":
            continue
        if reason and dataset.name not in sources.include_excluded:
            found.excluded += [f"{one.name}: {reason}" for one in (dataset, *labels)]
            continue
        found.datasets += labels
        if locate(dataset, data_root(paths)):
            found.datasets.append(dataset)
        else:
            found.missing.append(missing(dataset, data_root(paths)))
    return found


@dataclass
class Block:
    """Up to `BLOCK` records of one dataset and split, made into instructions together: each other's distractors."""

    dataset: str
    split: str
    records: list[Record]


def blocks(
    dataset: Dataset,
    root: Path,
    data: DataConfig,
    max_bad_rows: int,
    splits: Sequence[str],
    counts: BlockCounts,
    what: str | None = None,
) -> Iterator[Block]:
    """The records of some splits of a dataset, in one pass over its rows.

    Recombination draws its distractors from the same block, so that no test product shows up in a training example.

    Args:
        dataset: The dataset.
        root: The folder with ``raw/``.
        data: Languages, and the shares of validation and test.
        max_bad_rows: How many malformed rows are tolerated.
        splits: Which splits.
        counts: Its rows and splits are filled on the way.
        what: Shown with the progress; None for none.
    """
    official = official_test(dataset, root)
    buffers: dict[str, list[Record]] = {split: [] for split in splits}
    records: Iterable[Record] = read(dataset, root, counts.rows, max_bad_rows)
    for record in track(records, what, expected(dataset)) if what else records:
        if record.language not in data.languages:
            counts.splits["other language"] += 1
            continue
        split = split_of(record, dataset.splits_of or dataset.name, data, official)
        counts.splits[split] += 1
        if split in buffers:
            buffers[split].append(record)
            if len(buffers[split]) == BLOCK:
                yield Block(dataset.name, split, buffers[split])
                buffers[split] = []
    yield from (Block(dataset.name, split, records) for split, records in buffers.items() if records)


def official_test(dataset: Dataset, root: Path) -> bool:
    """Whether the dataset, or the one whose texts it labels, comes with a test split."""
    return bool(dataset.options.get("official_test")) or any(split == "test" for split, _ in locate(dataset, root))


def planned(
    data: DataConfig, datasets: Sequence[Dataset], held_out: Sequence[str], own: str | None
) -> list[PlannedTask]:
    """The tasks that the mixture takes from each dataset; ``own`` is the user's own configuration folder."""
    tasks = load_tasks(None, own)
    return [PlannedTask(dataset, task) for dataset in datasets for task in wanted_tasks(tasks, dataset, data, held_out)]
