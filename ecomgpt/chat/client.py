"""Asks many questions at once: from the cache where the answer is known, within limits and budget where it is not."""

import random
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from ecomgpt.chat.cache import Cache, cache_file
from ecomgpt.chat.endpoint import Endpoint, Refused, Transient
from ecomgpt.chat.ledger import Ledger, OverBudget
from ecomgpt.chat.limits import Limiter, Stopped
from ecomgpt.chat.messages import ChatReply, Request
from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import ChatConfig


class Chat:
    """A chat model with a memory; a context manager.

    >>> with Chat(config.chat, Path(config.paths.cache).expanduser()) as chat:      # doctest: +SKIP
    ...     for index, reply in chat.ask([Request((("user", "Hello"),))]):
    ...         print(index, reply.failure or reply.text)
    ...     print(chat.ledger.line())

    Leaving the block, also by Ctrl-C, waits for the answers that are on their way, because they are paid for.

    Args:
        settings: The group ``chat``.
        cache: ``paths.cache``; answers are kept in its folder ``chat`` and never asked for again.
        ledger: Of earlier work of the same command, with which the budget is shared; None for a new one.

    Raises:
        UserError: If the package ``openai`` or the key is missing, or the cache can't be read.
    """

    def __init__(self, settings: ChatConfig, cache: Path, ledger: Ledger | None = None) -> None:
        self.settings = settings
        self.cache = Cache(cache_file(settings, cache))
        self.endpoint = Endpoint(settings)
        self._stop = threading.Event()
        self.ledger = ledger or Ledger(settings)
        self._limiter = Limiter(settings, self._stop)
        self._pool = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="chat")

    def __enter__(self) -> "Chat":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._stop.set()
        if kind is KeyboardInterrupt:
            print("\nWaiting for the answers that are on their way; they are paid for.", file=sys.stderr, flush=True)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.endpoint.close()

    def known(self, request: Request) -> ChatReply | None:
        """The answer in the cache, or None."""
        return self.cache.get(request.key(self.settings))

    def ask(self, requests: Iterable[Request]) -> Iterator[tuple[int, ChatReply]]:
        """Answers questions; each once, in the order in which the answers come.

        A question that can't be answered after all retries gives a reply with its ``failure``. Equal questions are
        asked once.

        Yields:
            The question's position, and its answer.

        Raises:
            OverBudget: When the budget has no room for the next request, after the answers on their way were handed
                out.
            UserError: If no request can succeed: the key is refused, the model is unknown, the endpoint is not there,
                or ``chat.give_up`` requests failed in a row.
        """
        source = enumerate(requests)
        askers: dict[str, list[int]] = {}
        running: dict[Future[ChatReply], str] = {}
        error: UserError | None = None
        failed = 0
        while True:
            while error is None and len(running) < self.settings.concurrency and (item := next(source, None)):
                index, request = item
                key = request.key(self.settings)
                found = self.cache.get(key)
                if found is not None:
                    self.ledger.cached += 1
                    yield index, found
                elif key in askers:
                    askers[key].append(index)
                else:
                    askers[key] = [index]
                    running[self._pool.submit(self._answer, key, request)] = key
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                key = running.pop(future)
                try:
                    reply = future.result()
                except Stopped:
                    continue
                except UserError as found_error:
                    error = error or found_error
                    if not isinstance(error, OverBudget):
                        self._stop.set()  # Retries would fail likewise; answers on their way still come.
                    continue
                failed = failed + 1 if reply.failure else 0
                if failed >= self.settings.give_up and error is None:
                    error = UserError(
                        f"chat: {failed} requests to {self.settings.base_url} failed in a row, the last with: "
                        f"{reply.failure}. What is paid for is kept; the same command goes on from there"
                    )
                    self._stop.set()
                for index in askers.pop(key):
                    yield index, reply
        if error is not None:
            raise error

    def _answer(self, key: str, request: Request) -> ChatReply:
        """One answer, after as many tries as it takes; kept in the cache before anybody sees it."""
        reason = ""
        for attempt in range(self.settings.retries + 1):
            try:
                reply = self._paid(request)
            except Refused as error:
                return ChatReply(finish="bad_request", failure=str(error))
            except Transient as error:
                reason = error.reason
                if attempt < self.settings.retries:
                    self.ledger.retried(reason)
                    self._pause(attempt, error.wait)
                continue
            self.cache.put(key, reply)
            return reply
        return ChatReply(finish="none", failure=f"{reason}, {self.settings.retries + 1} times")

    def _paid(self, request: Request) -> ChatReply:
        reserved = self.ledger.reserve(request, self._stop)
        reply, uncertain = None, False
        try:
            self._limiter.wait(request.about_tokens() + request.limit(self.settings))
            reply = self.endpoint.ask(request)
        except Transient as error:
            uncertain = error.charged
            raise
        finally:
            self.ledger.reconcile(reserved, reply, uncertain)
        return reply

    def _pause(self, attempt: int, asked: float | None) -> None:
        """Waits before a retry: as long as the endpoint asks, or exponentially longer with jitter.

        Raises:
            Stopped: If the work ends meanwhile.
        """
        if asked is not None:
            self._limiter.pause(asked)
            return
        # Jitter keeps requests that failed together from coming back together; no result depends on it.
        seconds = min(self.settings.backoff * 2.0**attempt, self.settings.backoff_most) * random.uniform(0.5, 1.5)
        if self._stop.wait(seconds):
            raise Stopped
