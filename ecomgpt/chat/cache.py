"""Replies on disk, one JSON object per line: only ever appended to, shared by jobs, whole after a crash."""

import dataclasses
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecomgpt.chat.messages import ChatReply
from ecomgpt.common.errors import UserError
from ecomgpt.common.hashing import digest
from ecomgpt.common.jsonl import append_line, checked, intact
from ecomgpt.common.log import log
from ecomgpt.config.schema import ChatConfig


def cache_file(settings: ChatConfig, cache: Path) -> Path:
    """Where the replies of an endpoint's model lie below ``paths.cache``."""
    address = f"{settings.base_url.rstrip('/')} {settings.model}"
    readable = re.sub(r"[^\w.-]+", "_", re.sub(r"^\w+://", "", address))[:80]
    return cache / "chat" / f"{readable}-{digest(address, 4)}.jsonl"


class Cache:
    """A file of replies by the content of their requests.

    Each line is appended in one call, so that processes that share the file do not mix their lines. A line torn by a
    crash, or damaged since, is skipped: its question is asked again. Memory holds the offsets of the replies only.

    Args:
        path: The file; created when the first reply is stored.

    Raises:
        UserError: If the file can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._offsets: dict[str, int] = dict(self._scan())

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, key: str) -> bool:
        return key in self._offsets

    def get(self, key: str) -> ChatReply | None:
        """The stored reply, or None."""
        if key not in self._offsets:
            return None
        with self.path.open("rb") as file:
            file.seek(self._offsets[key])
            row = _row(file.readline())
        return ChatReply(**row["reply"]) if row and row["key"] == key else None

    def put(self, key: str, reply: ChatReply) -> None:
        """Stores a reply; the operating system has it when this returns, so a killed process loses nothing."""
        with self._lock:
            try:
                self._offsets[key] = append_line(self.path, checked({"key": key, "reply": dataclasses.asdict(reply)}))
            except OSError as error:
                raise UserError(
                    f"{self.path}: cannot keep an answer: {error.strerror}; give paths.cache=<folder>"
                ) from error

    def _scan(self) -> Iterator[tuple[str, int]]:
        if not self.path.exists():
            return
        try:
            with self.path.open("rb") as file:
                offset = damaged = 0
                for line in file:
                    if row := _row(line):
                        yield row["key"], offset
                    elif line.strip():
                        damaged += 1
                    offset += len(line)
            if damaged:
                log.warning("%s: %d replies are torn or damaged; they are asked for again", self.path, damaged)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from error


def _row(line: bytes) -> dict[str, Any] | None:
    """A line of the file; None where a crash has torn it, or it says something else than was written."""
    try:
        row: dict[str, Any] = json.loads(line)
        ChatReply(**row["reply"])
        return row if isinstance(row["key"], str) and intact(row) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
