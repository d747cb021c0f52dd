"""Small datasets for the readers' tests: a declaration in memory and files in a temporary folder."""

from pathlib import Path
from typing import Any

from ecomgpt.sources.catalog import ReadCounts, read
from ecomgpt.sources.dataset import Dataset


def declare(reader: str, records: list[str], **fields: Any) -> Dataset:
    """A declaration with one training file, ``data``, unless the fields say otherwise."""
    common = {
        "name": "shop",
        "title": "Shop",
        "language": "en",
        "licence": "none",
        "citation": "none",
        "homepage": "none",
        "obtain": "Write it.",
        "family": "sentiment_classification",
        "files": {"train": ["data*"]},
    }
    return Dataset(**{**common, "reader": reader, "records": records, **fields})


def put(root: Path, content: str | bytes, name: str = "data") -> Path:
    """Writes a file of the dataset, byte for byte."""
    path = root / "raw" / "shop" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def take(root: Path, dataset: Dataset, max_bad_rows: int = 0) -> tuple[list[Any], ReadCounts]:
    """All records, and the counts, which must reconcile."""
    counts = ReadCounts()
    records = list(read(dataset, root, counts, max_bad_rows))
    assert counts.read == counts.kept + sum(counts.dropped.values()), counts
    assert sum(counts.records.values()) == len(records)
    assert len({record.id for record in records}) == len(records)
    return records, counts
