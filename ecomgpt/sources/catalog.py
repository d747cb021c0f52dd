"""The catalogue of datasets: what is declared, what of it lies on this machine, and its records."""

import dataclasses
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ecomgpt.common.errors import UserError
from ecomgpt.config.declarations import load, load_all
from ecomgpt.sources import check
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.groups import Groups
from ecomgpt.sources.keep import SPLITS, Conflicts, Keeper, ReadCounts, text_of
from ecomgpt.sources.readers import reader, shown
from ecomgpt.sources.readers.item import Item, Malformed, SourceFile, group_of
from ecomgpt.sources.records import Record


def load_catalog(names: list[str] | None = None, own: str | None = None) -> list[Dataset]:
    """The declared datasets, by name.

    Args:
        names: Which; None for all.
        own: The user's own configuration folder, with ``sources/datasets/*.yaml`` in it. Its files come before shipped
            ones of the same name.

    Raises:
        UserError: With all problems of all declarations, or the names that are unknown.
    """
    found = load_all(
        "sources/datasets",
        own,
        lambda path: [load(path, Dataset, path=str(path))],
        lambda dataset, path: check.problems(dataset),
        names,
        "there is no dataset '{}'",
    )
    return sorted(found, key=lambda dataset: dataset.name)


def folder(dataset: Dataset, data_root: Path) -> Path:
    """The dataset's folder."""
    return Path(data_root) / "raw" / (dataset.folder or dataset.name)


def locate(dataset: Dataset, data_root: Path) -> list[tuple[str, Path]]:
    """The dataset's files with their splits, in reading order; empty where none is there."""
    if dataset.reader == "demo":
        return [("", Path("demo"))]
    root = folder(dataset, data_root)
    found: dict[Path, str] = {}
    for split in sorted(dataset.files, key=SPLITS.index):
        for pattern in dataset.files[split]:
            for path in sorted(root.glob(pattern)):
                found.setdefault(path, split)
    return [(split, path) for path, split in found.items()]


def expected(dataset: Dataset) -> int | None:
    """About how many records there will be, where that is known before the reading; for the time left."""
    if dataset.reader != "demo":
        return None
    from ecomgpt.sources.demo.reader import records

    return records(dataset)


def missing(dataset: Dataset, data_root: Path) -> str:
    """One line for a dataset that is not there: where it was looked for and how to get it."""
    patterns = ", ".join(pattern for patterns in dataset.files.values() for pattern in patterns)
    return f"{dataset.name}: missing, looked for {patterns} in {folder(dataset, data_root)}. {dataset.obtain}"


def read(dataset: Dataset, data_root: Path, counts: ReadCounts, max_bad_rows: int = 0) -> Iterator[Record]:
    """The dataset's records, streamed.

    Left out, and counted by reason: malformed rows (up to ``max_bad_rows``), what the declaration leaves out, records
    that repeat an earlier one word for word, texts with characters that were lost in a conversion (U+FFFD), texts with
    contradicting labels (where the declaration asks for it), and rows whose text or product also stands in a split that
    is read before theirs (test, validation, train).

    Args:
        dataset: Its declaration.
        data_root: The folder that holds ``raw/``.
        counts: Filled while the records are taken.
        max_bad_rows: How many malformed rows are tolerated.

    Raises:
        UserError: For more malformed rows than tolerated, a file without rows, or a missing dataset.
    """
    files = locate(dataset, data_root)
    if not files:
        raise UserError(missing(dataset, data_root))
    if dataset.reader == "demo":
        yield from _generated(dataset, counts)
        return
    groups, conflicts = Groups(), Conflicts()
    connect, contrary = dataset.options.get("connect"), dataset.options.get("conflicts") == "drop"
    if connect or contrary:
        everything = (_file_items(dataset, data_root, *file) for file in files)
        for item in chain.from_iterable(everything):
            for record in item.records:
                if connect:
                    groups.tie(record.group, group_of(text_of(record)))
                if contrary:
                    conflicts.note(record)
    keeper = Keeper(dataset, counts, max_bad_rows, conflicts)
    for split, path in files:
        before = counts.read
        for item in _file_items(dataset, data_root, split, path):
            for record in keeper.take(item, path):
                yield dataclasses.replace(record, group=groups.name(record.group)) if groups else record
        if counts.read == before:
            raise UserError(f"{path}: holds no rows; it is empty or cut off. {dataset.obtain}")


def _generated(dataset: Dataset, counts: ReadCounts) -> Iterator[Record]:
    """Records that are made, not read: nothing can be wrong with them, so none is dropped."""
    for record in reader(dataset.reader)(dataset):
        counts.read += 1
        counts.kept += 1
        counts.records[type(record).__name__] += 1
        yield record


def _file_items(dataset: Dataset, data_root: Path, split: str, path: Path) -> Iterator[Item]:
    source = SourceFile(dataset, path, split, shown(path, folder(dataset, data_root)))
    try:
        yield from reader(dataset.reader)(source)
    except Malformed as error:
        raise UserError(f"{path}: {error}") from error
