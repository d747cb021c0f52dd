"""Answers on disk, one JSON object a line: only ever appended to, shared by jobs, whole after a crash."""

import dataclasses
import json
import os
import re
import threading
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from ecomgpt.chat.messages import Reply
from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import ChatConfig


def cache_file(settings: ChatConfig, cache: Path) -> Path:
    """Where the answers of an endpoint's model lie below ``paths.cache``."""
    address = f"{settings.base_url.rstrip('/')} {settings.model}"
    readable = re.sub(r"[^\w.-]+", "_", re.sub(r"^\w+://", "", address))[:80]
    return cache / "chat" / f"{readable}-{blake2b(address.encode(), digest_size=4).hexdigest()}.jsonl"


class Cache:
    """A file of answers by the content of their questions.

    A line is written whole and in one call, so that processes that share the file do not mix their lines. A line torn by a
    crash is passed over, and what is appended after it begins on a new line. Memory holds the places of the answers only.

    Args:
        path: The file; made when the first answer is kept.

    Raises:
        UserError: If the file can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._places: dict[str, int] = dict(self._scan())
        self._out: int | None = None

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def get(self, key: str) -> Reply | None:
        """The kept answer, or None."""
        if key not in self._places:
            return None
        with self.path.open("rb") as file:
            file.seek(self._places[key])
            return Reply(**json.loads(file.readline())["reply"])

    def put(self, key: str, reply: Reply) -> None:
        """Keeps an answer; it is with the operating system when this returns, so that a killed process loses nothing."""
        row = {"key": key, "reply": dataclasses.asdict(reply)}
        line = (json.dumps(row) + "\n").encode()
        with self._lock:
            try:
                if self._out is None:
                    self._out = self._open()
                if os.write(self._out, line) != len(line):
                    raise OSError(28, "No space left on device")
                self._places[key] = os.lseek(self._out, 0, os.SEEK_CUR) - len(line)
            except OSError as error:
                raise UserError(
                    f"{self.path}: cannot keep an answer: {error.strerror}; give paths.cache=<folder>"
                ) from error

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            if self._out is not None:
                os.close(self._out)
                self._out = None

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        out = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(out).st_size
        if size and os.pread(out, 1, size - 1) != b"\n":
            os.write(out, b"\n")
        return out

    def _scan(self) -> Iterator[tuple[str, int]]:
        if not self.path.exists():
            return
        try:
            with self.path.open("rb") as file:
                place = 0
                for line in file:
                    try:
                        row = json.loads(line)
                        Reply(**row["reply"])
                        yield row["key"], place
                    except (ValueError, KeyError, TypeError):
                        pass  # Torn by a crash: that question is asked again.
                    place += len(line)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from error
