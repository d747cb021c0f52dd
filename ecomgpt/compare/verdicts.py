"""Verdicts on disk: append-only JSON Lines, where an annotator's later line on a row replaces an earlier one."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ecomgpt.common.errors import UserError
from ecomgpt.common.jsonl import append_line, parse_json, read_lines
from ecomgpt.common.log import now
from ecomgpt.compare.pairs import Pair

VERDICTS = ("win", "tie", "loss")
"""Of ``run_a``."""
LONGEST_NAME = 60


@dataclass(frozen=True)
class Verdict:
    """One line of the file.

    Attributes:
        annotator: Who judged.
        row: The question, as `ecomgpt.compare.pairs.Pair.key` names it.
        answers: The digest of what was shown.
        first: Whose answer stood first, ``a`` or ``b``.
        verdict: ``win``, ``tie`` or ``loss`` of ``run_a``; None where it was taken back.
        time: When.
    """

    annotator: str
    row: str
    answers: str
    first: str
    verdict: str | None
    time: str


class Verdicts:
    """The verdicts on some pairs; a context manager that keeps the file to itself.

    Every verdict is on the disk before the page moves on. A line that a crash has torn is left as it is, told and not
    counted, as are verdicts on answers that have changed since; both stay in the file.

    Args:
        path: The file; it and its folder are made where they are missing.
        pairs: What is judged.

    Raises:
        UserError: If another process has the file open.
    """

    def __init__(self, path: Path, pairs: Sequence[Pair]) -> None:
        from filelock import FileLock, Timeout

        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise UserError(
                f"name: another process shows '{path.parent}'; end it first, or give another name="
            ) from None
        self.path = path
        self._digests = {pair.key: pair.digest for pair in pairs}
        self._of: dict[str, dict[str, Verdict]] = {}
        self._names: dict[str, str] = {}
        self._read()

    def __enter__(self) -> Verdicts:
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    @property
    def annotators(self) -> list[str]:
        """Who has judged anything, by name."""
        return sorted(name for name, given in self._of.items() if given)

    def of(self, annotator: str) -> dict[str, str]:
        """An annotator's verdicts by row, in the order in which they were given."""
        return {row: one.verdict for row, one in self._of.get(self.known(annotator), {}).items() if one.verdict}

    def known(self, annotator: str) -> str:
        """The spelling of a name that was used first: Ann and ann are one person."""
        return self._names.get(annotator.casefold(), annotator)

    def add(self, annotator: str, pair: Pair, first: str, verdict: str | None) -> None:
        """Writes a verdict, or with None takes one back."""
        self._keep(Verdict(self.known(annotator), pair.key, pair.digest, first, verdict, now()))

    def undo(self, annotator: str) -> None:
        """Takes an annotator's last verdict back."""
        given = self._of.get(self.known(annotator), {})
        if given:
            self._keep(replace(list(given.values())[-1], verdict=None, time=now()))

    def _keep(self, one: Verdict) -> None:
        append_line(self.path, asdict(one), sync=True)
        self._take(one)

    def _take(self, one: Verdict) -> None:
        name = self._names.setdefault(one.annotator.casefold(), one.annotator)
        given = self._of.setdefault(name, {})
        given.pop(one.row, None)  # So that the newest is the last.
        if one.verdict is not None:
            given[one.row] = one

    def _read(self) -> None:
        broken: list[str] = []
        stale = elsewhere = 0
        for number, line in read_lines(self.path):
            one = _decode(line)
            if one is None:
                broken.append(str(number))
            elif one.row not in self._digests:
                elsewhere += 1
            elif one.answers != self._digests[one.row]:
                stale += 1
            else:
                self._take(one)
        lines = ", ".join(broken[:10]) + (" ..." if len(broken) > 10 else "")
        notes = [
            (len(broken), f"not counted, because torn or no verdict: line {lines}"),
            (stale, f"{stale:,} verdicts are on answers that have changed since; they are not counted"),
            (elsewhere, f"{elsewhere:,} verdicts are on rows outside compare.tasks and compare.limit; not counted"),
        ]
        self.notes = [f"{self.path}: {note}" for count, note in notes if count]


def clean_name(name: str) -> str | None:
    """An annotator's name as it is kept, or None for one that can't be shown on one line."""
    name = " ".join(unicodedata.normalize("NFC", name).split())
    # No control, format or surrogate characters.
    shown = all(unicodedata.category(letter)[0] != "C" for letter in name)
    return name if name and shown and len(name) <= LONGEST_NAME else None


def _decode(line: bytes) -> Verdict | None:
    try:
        one = Verdict(**parse_json(line))
    except (ValueError, TypeError):
        return None
    texts = (one.annotator, one.row, one.answers, one.first, one.time)
    good = all(isinstance(text, str) for text in texts) and one.verdict in (*VERDICTS, None)
    return one if good and clean_name(one.annotator) == one.annotator else None
