"""The cost of requests, estimated before any is sent."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from ecomgpt.chat.cache import Cache
from ecomgpt.chat.ledger import price
from ecomgpt.chat.messages import Request
from ecomgpt.config.schema import ChatConfig


@dataclass
class CostEstimate:
    """Questions, and what those that are not in the cache may cost.

    Attributes:
        questions: Different ones.
        known: Of them, how many are answered already.
        prompt_tokens: Of the others, by the rule of thumb of `Request.about_tokens`.
        answer_tokens: Of the others at most: every answer as long as it may be.
    """

    questions: int = 0
    known: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0

    def plus(self, other: "CostEstimate") -> "CostEstimate":
        """Both together."""
        return CostEstimate(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def line(self, settings: ChatConfig) -> str:
        """For people."""
        text = f"{self.questions:,} questions, {self.known:,} of them answered before"
        if self.questions == self.known:
            return f"{text}; nothing to pay"
        text += f"; about {self.prompt_tokens:,} tokens in, at most {self.answer_tokens:,} out"
        if settings.price_input is None or settings.price_output is None:
            return f"{text}; prices are not known (chat.price_input, chat.price_output)"
        least, most = price(settings, self.prompt_tokens, 0), price(settings, self.prompt_tokens, self.answer_tokens)
        budget = "no limit" if settings.budget is None else f"{settings.budget:g} USD"
        return f"{text}: about {least:.4f} to {most:.4f} USD; chat.budget is {budget}"


def estimate(requests: Iterable[Request], settings: ChatConfig, cache: Cache) -> CostEstimate:
    """Adds questions up; equal ones count once."""
    found, seen = CostEstimate(), set()
    for request in requests:
        key = request.key(settings)
        if key in seen:
            continue
        seen.add(key)
        found.questions += 1
        if key in cache:
            found.known += 1
        else:
            found.prompt_tokens += request.about_tokens()
            found.answer_tokens += request.limit(settings)
    return found
