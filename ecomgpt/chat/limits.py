"""Rate limits of an endpoint: requests and tokens per minute, and the pauses it demands."""

import threading
import time

from ecomgpt.config.schema import ChatConfig


class Stopped(Exception):
    """The work was stopped while a request waited for its turn."""


class Limiter:
    """Spaces requests evenly: after each, the next waits for its share of a minute (the generic cell rate algorithm).

    No burst is allowed, so that no minute, wherever it begins, holds more than the limit. Tokens are reckoned before
    the answer is known: the estimated prompt and the longest answer, as endpoints do for their own limits.
    """

    def __init__(self, settings: ChatConfig, stop: threading.Event) -> None:
        self.requests, self.tokens = settings.requests_per_minute, settings.tokens_per_minute
        self._stop = stop
        self._lock = threading.Lock()
        self._free = 0.0

    def wait(self, tokens: int) -> None:
        """Waits for a request's turn.

        Raises:
            Stopped: If the work ends meanwhile.
        """
        cost = max(60.0 / self.requests if self.requests else 0.0, tokens * 60.0 / self.tokens if self.tokens else 0.0)
        while True:
            with self._lock:
                now = time.monotonic()
                if self._free <= now:
                    self._free = now + cost
                    break
                left = self._free - now
            if self._stop.wait(left):
                raise Stopped
        if self._stop.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Holds back all requests: the endpoint said when it wants to be asked again."""
        with self._lock:
            self._free = max(self._free, time.monotonic() + seconds)
