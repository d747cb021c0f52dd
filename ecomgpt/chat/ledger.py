"""Requests sent, what they cost, and the budget that stops them."""

import threading
from collections import Counter

from ecomgpt.chat.limits import Stopped
from ecomgpt.chat.messages import ChatReply, Request
from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import ChatConfig

MILLION = 1_000_000


class OverBudget(UserError):
    """The next request could cost more than what is left of ``chat.budget``."""


def price(settings: ChatConfig, prompt_tokens: int, answer_tokens: int) -> float:
    """The price of tokens in USD; 0 where prices are not known."""
    return (prompt_tokens * (settings.price_input or 0) + answer_tokens * (settings.price_output or 0)) / MILLION


class Ledger:
    """Counts of one start of a command, safe for threads.

    Before a request is sent the most that it can cost is set aside, and what it did cost is taken once it is known. So
    the budget holds even if every answer on its way is as long as it may be.

    Attributes:
        asked: Answers that were paid for.
        cached: Answers that were on disk.
        prompt_tokens, answer_tokens: Paid for.
        cost: USD paid.
        uncertain: USD that requests may have cost whose answer never came: timeouts and broken answers. They count
            against the budget.
        retries: By reason.
    """

    def __init__(self, settings: ChatConfig) -> None:
        self.settings = settings
        self.asked = self.cached = self.prompt_tokens = self.answer_tokens = 0
        self.cost = self.uncertain = 0.0
        self.retries: Counter[str] = Counter()
        self._reserved = 0.0
        self._changed = threading.Condition()

    def most(self, request: Request) -> float:
        """The most that a request can cost, in USD."""
        return price(self.settings, request.most_tokens(), request.limit(self.settings))

    def reserve(self, request: Request, stop: threading.Event) -> float:
        """Sets aside the most that a request can cost; waits for answers on their way where only they can make room.

        Raises:
            OverBudget: If the budget has no room for it.
            Stopped: If the work ends meanwhile.
        """
        budget, most = self.settings.budget, self.most(request)
        with self._changed:
            while budget is not None and self.cost + self.uncertain + self._reserved + most > budget:
                if not self._reserved:
                    raise OverBudget(
                        f"chat.budget: {self.cost + self.uncertain:.4f} of {budget:g} USD are spent, and the next "
                        f"request may cost {most:.4f}. What is paid for is kept: the same command goes on from there "
                        "with as much again, or give a larger chat.budget"
                    )
                self._changed.wait(0.1)
                if stop.is_set():
                    raise Stopped
            self._reserved += most
        return most

    def reconcile(self, reserved: float, reply: ChatReply | None, uncertain: bool = False) -> None:
        """Releases the reservation of a request and books what it did cost."""
        with self._changed:
            self._reserved = max(0.0, self._reserved - reserved)
            if abs(self._reserved) < 1e-12:
                self._reserved = 0.0
            if reply is not None:
                self.asked += 1
                self.prompt_tokens += reply.prompt_tokens
                self.answer_tokens += reply.answer_tokens
                self.cost += price(self.settings, reply.prompt_tokens, reply.answer_tokens)
            elif uncertain:
                self.uncertain += reserved
            self._changed.notify_all()

    def retried(self, reason: str) -> None:
        """Counts a request that has to be sent again."""
        with self._changed:
            self.retries[reason] += 1

    def spent(self) -> str:
        """For a progress bar."""
        known = self.settings.price_input is not None and self.settings.price_output is not None
        return f"{self.cost:.4f} USD" if known else f"{self.prompt_tokens + self.answer_tokens:,} tokens"

    def line(self) -> str:
        """For people."""
        parts = [f"{self.asked:,} asked", f"{self.cached:,} from the cache"]
        parts.append(f"{self.prompt_tokens:,} tokens in, {self.answer_tokens:,} out")
        if self.settings.price_input is not None:
            parts.append(f"{self.cost:.4f} USD" + (f", perhaps {self.uncertain:.4f} more" if self.uncertain else ""))
        if self.retries:
            parts.append(
                "sent again: " + ", ".join(f"{reason} {number:,}" for reason, number in self.retries.most_common())
            )
        return "; ".join(parts)
