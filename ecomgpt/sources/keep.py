"""Which records are kept, and the counts that say why the others were not."""

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ecomgpt.common.errors import UserError
from ecomgpt.common.hashing import number
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.readers.item import Item, normal, spoiled
from ecomgpt.sources.records import EntityText, LabelledText, Question, Record, Review, TextPair

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


class Conflicts:
    """Texts that carry contradicting labels: noise that no model can learn and that no split should hold.

    Memory: two 8-byte digests for each text, so only datasets that ask for it (``conflicts: drop``) use it.
    """

    def __init__(self) -> None:
        self._verdicts: dict[int, int] = {}
        self._contrary: set[int] = set()

    def note(self, record: Record) -> None:
        """Takes down what a record says of its text."""
        text, verdict = self._key(record), number(_verdict(record))
        if self._verdicts.setdefault(text, verdict) != verdict:
            self._contrary.add(text)

    def __contains__(self, record: Record) -> bool:
        return bool(self._contrary) and self._key(record) in self._contrary

    def _key(self, record: Record) -> int:
        question = f"{normal(record.question)}\n{normal(record.context)}" if isinstance(record, Question) else ""
        return number(type(record).__name__ + (question or _identities(record)[-1]))


def _verdict(record: Record) -> str:
    """What annotators said of a text: two that differ contradict each other. Two wordings of an answer do not."""
    if isinstance(record, LabelledText):
        return repr(sorted(record.labels.items()))
    if isinstance(record, TextPair):
        return record.relation
    if isinstance(record, Question):
        return f"{record.relevance}/{bool(record.answers)}"
    if isinstance(record, EntityText):
        return repr(record.entities)
    return repr(record.aspects) if isinstance(record, Review) else ""


class Keeper:
    """Decides about items and keeps the counts.

    Memory: an 8-byte digest for each kept record (unless the dataset keeps repeats), and for each text of a test or
    validation split.
    """

    def __init__(
        self, dataset: Dataset, counts: ReadCounts, max_bad_rows: int, conflicts: Conflicts | None = None
    ) -> None:
        self.dataset, self.counts, self.max_bad_rows = dataset, counts, max_bad_rows
        self.conflicts = conflicts or Conflicts()
        self.bad: list[str] = []
        self.bad_rows = 0
        self.seen: set[int] = set()
        self.held_out: dict[str, set[int]] = {}
        self.ids: set[int] = set()
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
        names = [one.name for one in dataclasses.fields(record) if one.name not in ("id", "group", "split")]
        content = repr([getattr(record, name) for name in names])
        if "\ufffd" in content or spoiled(text_of(record)):
            return LOST
        if "id" in self.dataset.columns:
            digest = number(record.id)
            if digest in self.ids:
                bad = f"the id '{record.id}' stands in an earlier row too"
                self._spoiled(Item(item.line, rows=item.rows, bad=bad), path)
                return _BAD
            self.ids.add(digest)
        if record in self.conflicts:
            return CONTRARY
        identities = {number(name) for name in _identities(record)}
        earlier = SPLITS[: SPLITS.index(record.split)] if record.split else ()
        for split in earlier:
            if not identities.isdisjoint(self.held_out.get(split, ())):
                return f"its text or product is in the {split} split"
        if not self.keep_repeats:
            digest = number(type(record).__name__ + content)
            if digest in self.seen:
                return "exact repeat"
            self.seen.add(digest)
        if record.split in ("test", "validation"):
            self.held_out.setdefault(record.split, set()).update(identities)
        return ""


_BAD = "malformed"
LOST = "a character was lost in conversion (U+FFFD or a control character)"
CONTRARY = "the same text stands there with contradicting labels"


def _identities(record: Record) -> tuple[str, ...]:
    """What must not stand in two splits: the text or product; of a pair also both texts in either order."""
    if isinstance(record, TextPair):
        return record.group, "\n".join(sorted((normal(record.left), normal(record.right))))
    return (record.group,)


def text_of(record: Record) -> str:
    """The text that a record is about."""
    for name in ("text", "title", "question", "query", "source", "left"):
        if text := getattr(record, name, ""):
            return text
    return record.id
