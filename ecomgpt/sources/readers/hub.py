"""Datasets of the Hugging Face hub: read from a local copy (parquet, JSON Lines, `save_to_disk`), fetched on demand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.readers.cells import RawRow
from ecomgpt.sources.readers.item import Item, SourceFile
from ecomgpt.sources.readers.objects import read_jsonl
from ecomgpt.sources.readers.rows import OPTIONS as ROW_OPTIONS
from ecomgpt.sources.readers.rows import items, known_columns

OPTIONS: dict[str, str] = {**ROW_OPTIONS}
BATCH = 1024


def read_hub(source: SourceFile) -> Iterator[Item]:
    """Reads one file of a local copy, row by row; rows are numbered from 1."""
    if source.path.suffix in (".jsonl", ".json"):
        return read_jsonl(source)
    return items(source, _arrow_rows(source))


def _arrow_rows(source: SourceFile) -> Iterator[RawRow]:
    import pyarrow

    try:
        names, batches = _batches(source.path)
        known_columns(source, names, 1)
        number = 0
        for batch in batches:
            for values in batch.to_pylist():
                number += 1
                yield RawRow(number, values)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"{source.path}: cannot be read as a copy from the hub: {str(error).splitlines()[0][:200]}; fetch it again"
        ) from error


def _batches(path: Path) -> tuple[list[str], Iterator[Any]]:
    """The column names, and the rows in batches that fit in memory."""
    if path.is_dir():
        import datasets

        table = datasets.load_from_disk(str(path))
        if isinstance(table, datasets.DatasetDict):
            raise UserError(f"{path}: holds several splits; name one of them in 'files': {', '.join(table)}")
        return table.column_names, (batch for batch in table.with_format("arrow").iter(batch_size=BATCH))
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    return file.schema_arrow.names, file.iter_batches(batch_size=BATCH)


def fetch(dataset: Dataset, folder: Path) -> list[Path]:
    """Loads the dataset (with `datasets.load_dataset`) into parquet files that `read_hub` reads.

    Args:
        dataset: Its declaration; ``options.local`` maps the hub's splits to file names without their end,
            ``options.config`` names the configuration.
        folder: Where ``<split>.parquet`` are written.

    Raises:
        UserError: If it needs a registration, or the hub can't be reached.
    """
    if dataset.hub is None or not dataset.options.get("download", True):
        raise UserError(f"{dataset.name}: cannot be fetched automatically. {dataset.obtain}")
    import datasets

    datasets.utils.logging.set_verbosity_error()
    written = []
    try:
        remote = dataset.options.get("remote")
        if remote:  # Single files: repositories with a loading script are refused, and run no code here.
            form = Path(next(iter(remote.values()))).suffix.removeprefix(".")
            found = datasets.load_dataset({"jsonl": "json"}.get(form, form), data_files=remote)
        else:
            found = datasets.load_dataset(dataset.hub, dataset.options.get("config"))
    except Exception as error:  # The hub's client raises a dozen kinds; all mean that it could not be fetched.
        reason = str(error).split("\n")[0][:200]
        raise UserError(
            f"{dataset.name}: could not be fetched from the hub as '{dataset.hub}': {reason}. {dataset.obtain}"
        ) from error
    local = dataset.options.get("local", {"train": "train", "validation": "validation", "test": "test"})
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in found.items():
        if split in local:
            path = folder / f"{local[split]}.parquet"
            partial = path.with_suffix(".part")
            rows.to_parquet(str(partial))
            partial.replace(path)
            written.append(path)
    if not written:
        raise UserError(
            f"{dataset.name}: the hub's copy has the splits {', '.join(found)}, none of which is declared in 'local'"
        )
    return written
