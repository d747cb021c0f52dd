"""The catalogue of datasets: what is declared, what of it lies on this machine, and its records."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from ecomgpt.config.declare import load
from ecomgpt.config.roots import declarations
from ecomgpt.errors import UserError, suggestion
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.groups import Groups
from ecomgpt.sources.readers import READERS, options, reader, shown
from ecomgpt.sources.readers.item import Item, Malformed, Source, group_of, normal
from ecomgpt.sources.records import KINDS, Record, TextPair

SPLITS = ("test", "validation", "train", "")
"""In this order splits are read, so that a training row that repeats a test text is known as such."""


@dataclass
class ReadCounts:
    """Rows of the files; ``read == kept + sum(dropped.values())`` once the reading has ended.

    Attributes:
        left_out: Parts of kept rows that were left out, by reason; they are no rows and stand beside the sum.
        records: How many records were handed out, by kind.
    """

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)

    @property
    def reconciled(self) -> bool:
        return self.read == self.kept + sum(self.dropped.values())


def load_catalog(names: list[str] | None = None, own: str | None = None) -> list[Dataset]:
    """The declared datasets, by name.

    Args:
        names: Which; None for all.
        own: The user's own configuration folder, with ``sources/datasets/*.yaml`` in it. Its files come before shipped
            ones of the same name.

    Raises:
        UserError: With all problems of all declarations, or the names that are unknown.
    """
    found: dict[str, Dataset] = {}
    problems: list[str] = []
    for path in declarations("sources/datasets", own):
        try:
            dataset = load(path, Dataset)
        except UserError as error:
            problems += error.problems
            continue
        dataset.path = str(path)
        problems += list(_check(dataset))
        found[dataset.name] = dataset
    if problems:
        raise UserError(*problems)
    unknown = [name for name in names or [] if name not in found]
    if unknown:
        raise UserError(*(f"there is no dataset '{name}'{suggestion(name, list(found))}" for name in unknown))
    return [found[name] for name in sorted(set(names) if names is not None else found)]


def _check(dataset: Dataset) -> Iterator[str]:
    """What the dataclass's types can't say."""
    if dataset.reader not in READERS:
        yield f"{dataset.path}: the reader '{dataset.reader}' is unknown{suggestion(dataset.reader, list(READERS))}"
    elif dataset.reader != "demo":
        known = options(dataset.reader)
        for name in dataset.options:
            if name not in known:
                yield f"{dataset.path}: the reader '{dataset.reader}' has no option '{name}'{suggestion(name, list(known))}"
    for kind in dataset.records:
        if kind not in KINDS:
            yield f"{dataset.path}: there is no record kind '{kind}'{suggestion(kind, list(KINDS))}"
    for split in dataset.files:
        if split not in SPLITS:
            yield f"{dataset.path}: '{split}' is no split{suggestion(split, ['train', 'validation', 'test'])}"
    if not dataset.records:
        yield f"{dataset.path}: 'records' is empty; name at least one of {', '.join(KINDS)}"


def folder(dataset: Dataset, data_root: Path) -> Path:
    """The dataset's folder."""
    return Path(data_root) / "raw" / (dataset.folder or dataset.name)


def locate(dataset: Dataset, data_root: Path) -> list[tuple[str, Path]]:
    """The dataset's files with their splits, in reading order; empty where it is missing.

    A dataset counts as found when each of its patterns that names a whole split finds something for at least one split.
    """
    if dataset.reader == "demo":
        return [("", Path("demo"))]
    root = folder(dataset, data_root)
    found: list[tuple[str, Path]] = []
    seen: set[Path] = set()
    for split in sorted(dataset.files, key=SPLITS.index):
        for pattern in dataset.files[split]:
            for path in sorted(root.glob(pattern)):
                if path not in seen:
                    seen.add(path)
                    found.append((split, path))
    return found


def missing(dataset: Dataset, data_root: Path) -> str:
    """One line for a dataset that is not there: where it was looked for and how to get it."""
    patterns = ", ".join(pattern for patterns in dataset.files.values() for pattern in patterns)
    return f"{dataset.name}: missing, looked for {patterns} in {folder(dataset, data_root)}. {dataset.obtain}"


def read(dataset: Dataset, data_root: Path, counts: ReadCounts, max_bad_rows: int = 0) -> Iterator[Record]:
    """The dataset's records, streamed.

    Left out, and counted by reason: malformed rows (up to ``max_bad_rows``), what the declaration leaves out, records that repeat
    an earlier one word for word, texts with characters that were lost in a conversion (U+FFFD), and rows whose text also stands
    in a split that is read before theirs (test, validation, train).

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
    groups = Groups()
    if dataset.options.get("connect"):
        for item in _items(dataset, data_root, files):
            for record in item.records:
                groups.tie(record.group, group_of(_text(record)))
    keeper = _Keeper(dataset, counts, max_bad_rows)
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


def _items(dataset: Dataset, data_root: Path, files: list[tuple[str, Path]]) -> Iterator[Item]:
    for split, path in files:
        yield from _file_items(dataset, data_root, split, path)


def _file_items(dataset: Dataset, data_root: Path, split: str, path: Path) -> Iterator[Item]:
    source = Source(dataset, path, split, shown(path, folder(dataset, data_root)))
    try:
        yield from reader(dataset.reader)(source)
    except Malformed as error:
        raise UserError(f"{path}: {error}") from error


class _Keeper:
    """Decides about items and keeps the counts. Memory: one 8-byte digest for each kept record, and for each text of a test split."""

    def __init__(self, dataset: Dataset, counts: ReadCounts, max_bad_rows: int) -> None:
        self.dataset, self.counts, self.max_bad_rows = dataset, counts, max_bad_rows
        self.bad: list[str] = []
        self.bad_rows = 0
        self.seen: set[bytes] = set()
        self.held_out: dict[str, set[bytes]] = {}
        self.ids: set[bytes] = set()
        self.keep_repeats = dataset.options.get("repeats") == "keep"

    def take(self, item: Item, path: Path) -> tuple[Record, ...]:
        """The item's records that are kept."""
        self.counts.read += item.rows
        self.counts.left_out.update(item.notes)
        if item.bad:
            self._spoiled(item, path)
            return ()
        if item.dropped:
            self.counts.dropped[item.dropped] += item.rows
            return ()
        kept, reasons = [], []
        for record in item.records:
            reason = self._reason(record, item, path)
            reasons.append(reason)
            if not reason:
                kept.append(record)
                self.counts.records[type(record).__name__] += 1
        if kept:
            self.counts.kept += item.rows
            self.counts.left_out.update(f"{reason} (of a row with several records)" for reason in reasons if reason)
        elif reasons[0] != _BAD:
            self.counts.dropped[reasons[0]] += item.rows
        return tuple(kept)

    def _spoiled(self, item: Item, path: Path) -> None:
        self.bad_rows += item.rows
        if len(self.bad) < 10:
            self.bad.append(f"{path}:{item.line}: {item.bad}")
        if self.bad_rows > self.max_bad_rows:
            raise UserError(
                *self.bad[:-1],
                f"{self.bad[-1]}; fix the row or set sources.max_bad_rows (now {self.max_bad_rows}) to tolerate it",
            )
        self.counts.dropped["malformed"] += item.rows

    def _reason(self, record: Record, item: Item, path: Path) -> str:
        """Why a record is left out; empty where it is kept."""
        content = repr([getattr(record, one.name) for one in dataclasses.fields(record) if one.name not in ("id", "group", "split")])
        if "\ufffd" in content:
            return "a character was lost in conversion (U+FFFD)"
        if "id" in self.dataset.columns:
            digest = _digest(record.id)
            if digest in self.ids:
                self._spoiled(Item(item.line, rows=item.rows, bad=f"the id '{record.id}' stands in an earlier row too"), path)
                return _BAD
            self.ids.add(digest)
        identity = _digest(_identity(record))
        earlier = SPLITS[: SPLITS.index(record.split)] if record.split else ()
        for split in earlier:
            if identity in self.held_out.get(split, ()):
                return f"repeats a {split} text"
        if not self.keep_repeats:
            digest = _digest(type(record).__name__ + content)
            if digest in self.seen:
                return "exact repeat"
            self.seen.add(digest)
        if record.split in ("test", "validation"):
            self.held_out.setdefault(record.split, set()).add(identity)
        return ""


_BAD = "malformed"


def _identity(record: Record) -> str:
    """What must not stand in two splits: the text, or the pair of texts in either order."""
    if isinstance(record, TextPair):
        return "\n".join(sorted((normal(record.left), normal(record.right))))
    return record.group


def _text(record: Record) -> str:
    """The text that a record is about."""
    for name in ("text", "title", "question", "query", "source", "left"):
        if text := getattr(record, name, ""):
            return text
    return record.id


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
