"""A chat model behind an OpenAI-compatible endpoint, such as the paper's ChatGPT; the prompt is the user's message."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ecomgpt.chat.cache import Cache, cache_file
from ecomgpt.chat.client import Chat
from ecomgpt.chat.estimate import estimate
from ecomgpt.chat.ledger import Ledger, price
from ecomgpt.chat.messages import Request
from ecomgpt.common.errors import UserError
from ecomgpt.common.log import log
from ecomgpt.eval.backends import ModelSpec, Reply
from ecomgpt.eval.backends.transformers import limits
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.task import EvalTask


class OpenAI:
    """Asks the endpoint of the group ``chat`` for the model ``model.path``.

    Args:
        spec: A configuration with ``model=openai``.
    """

    shards = False

    def __init__(self, spec: ModelSpec) -> None:
        self.config = spec.config
        self.name = spec.name
        self.chat = dataclasses.replace(spec.config.chat, model=self.name)
        self.folder = Path(spec.config.paths.cache).expanduser()
        self.ledger = Ledger(self.chat)

    def answer(self, task: EvalTask, rows: Sequence[EvalRow]) -> Iterator[Reply]:
        """Answers rows; a question that is refused, filtered or too long gets an empty answer, which counts as invalid.

        Raises:
            UserError: If questions got no answer after all retries; the others have been answered by then.
        """
        requests = [self.request(task, row) for row in rows]
        failures: list[str] = []
        refused: list[str] = []
        with Chat(self.chat, self.folder, self.ledger) as chat:
            print(f"  {task.name}: {estimate(requests, self.chat, chat.cache).line(self.chat)}", flush=True)
            for index, reply in chat.ask(requests):
                if reply.finish == "bad_request":
                    refused.append(reply.failure)
                if reply.failure and reply.finish != "bad_request":
                    failures.append(reply.failure)
                else:
                    yield Reply(index, reply.text)
        if refused:
            note = f"{len(refused)} requests were not taken and count as invalid ({refused[-1]})"
            print(f"  {task.name}: {note}", flush=True)
        log.info("%s: %s", self.name, self.ledger.line())
        if failures:
            raise UserError(
                f"{task.name}: {len(failures)} of {len(rows)} questions got no answer ({failures[-1]}); "
                "the same command asks for them again"
            )

    def request(self, task: EvalTask, row: EvalRow) -> Request:
        """The question, with the task's limit on the answer."""
        return Request((("user", row.prompt.text),), max_tokens=limits(self.config.eval, task)[1])

    def made_by(self, task: EvalTask) -> str:
        """The request's key without its question."""
        limit = min(task.max_new_tokens, self.config.eval.max_new_tokens or task.max_new_tokens)
        return Request((), max_tokens=limit).key(self.chat)

    def settings(self) -> dict[str, Any]:
        """The endpoint, its parameters, and the cost of all answers, cached ones included."""
        from ecomgpt.eval.suite import load_suite

        cache = Cache(cache_file(self.chat, self.folder))
        keys = {self.request(task, row).key(self.chat) for task, rows in load_suite(self.config, {}) for row in rows}
        replies = [reply for reply in map(cache.get, sorted(keys)) if reply is not None]
        tokens = [sum(getattr(reply, name) for reply in replies) for name in ("prompt_tokens", "answer_tokens")]
        priced = self.chat.price_input is not None and self.chat.price_output is not None
        return {
            "endpoint": self.chat.base_url,
            "served_models": sorted({reply.model for reply in replies}),
            "temperature": self.chat.temperature,
            "chat_seed": self.chat.seed,
            "max_new_tokens": self.config.eval.max_new_tokens,
            "extra": self.chat.extra,
            "finish": dict(sorted(Counter(reply.finish for reply in replies).items())),
            "prompt_tokens": tokens[0],
            "answer_tokens": tokens[1],
            "cost_usd": round(price(self.chat, *tokens), 6) if priced else None,
        }


make = OpenAI
"""See `ecomgpt.eval.backends`."""
