"""Train, validation and test: by the dataset's own split where it has one, else by group, so that no group is split."""

from ecomgpt.common.hashing import fraction
from ecomgpt.config.schema import DataConfig
from ecomgpt.sources.records import Record


def split_of(record: Record, source: str, data: DataConfig, official: bool) -> str:
    """The part of the data that a record belongs to: ``train``, ``validation`` or ``test``.

    The choice hangs on the group's name alone, not on the run's seed: a test product stays one in every run, so that
    runs with different seeds are measured on the same rows.

    ``official``: the dataset comes with a test split, so that none is cut from its training rows.
    """
    if record.split in ("test", "validation"):
        return record.split
    place = fraction(f"{source}/{record.group}")
    test = 0.0 if official else data.test
    if place < test:
        return "test"
    return "validation" if place < test + data.validation else "train"
