"""Requests and replies."""

import json
import re
from dataclasses import dataclass
from typing import Any

from ecomgpt.common.hashing import digest
from ecomgpt.config.schema import ChatConfig

WIDE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
"""Characters that cost about a token each: ideographs, kana, Hangul and full-width signs."""
OVERHEAD = 12
"""Tokens that a chat template adds to a message, generously."""


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes:
        messages: (role, text) pairs; roles are ``system``, ``user`` and ``assistant``.
        max_tokens: The longest answer; None takes ``chat.max_tokens``.
        schema: A JSON schema that the answer must follow, or None for free text.
    """

    messages: tuple[tuple[str, str], ...]
    max_tokens: int | None = None
    schema: dict[str, Any] | None = None

    def body(self, settings: ChatConfig) -> dict[str, Any]:
        """The request's JSON body: everything that decides the answer."""
        body: dict[str, Any] = {
            "model": settings.model,
            "messages": [{"role": role, "content": text} for role, text in self.messages],
            settings.limit_parameter: self.limit(settings),
        }
        if settings.temperature is not None:
            body["temperature"] = settings.temperature
        if settings.seed is not None:
            body["seed"] = settings.seed
        if self.schema is not None and settings.structured == "schema":
            named = {"name": "answer", "strict": True, "schema": self.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif self.schema is not None and settings.structured == "object":
            body["response_format"] = {"type": "json_object"}
        return {**body, **settings.extra}

    def limit(self, settings: ChatConfig) -> int:
        """The longest answer in tokens."""
        return self.max_tokens or settings.max_tokens

    def key(self, settings: ChatConfig) -> str:
        """Names the question by its content: endpoint, model, parameters and messages."""
        text = json.dumps([settings.base_url.rstrip("/"), self.body(settings)], sort_keys=True)
        return digest(text, 16)

    def about_tokens(self) -> int:
        """The prompt's tokens, roughly: four letters or one Chinese character per token."""
        wide = sum(len(WIDE.findall(text)) for _, text in self.messages)
        return wide + (sum(len(text) for _, text in self.messages) - wide) // 4 + OVERHEAD * len(self.messages)

    def most_tokens(self) -> int:
        """The prompt's tokens at most: byte-level tokenizers never make more tokens than there are bytes."""
        size = sum(len(text.encode("utf-8", "surrogatepass")) for _, text in self.messages)
        return size + OVERHEAD * (len(self.messages) + 1) + (len(json.dumps(self.schema)) if self.schema else 0)


@dataclass(frozen=True)
class ChatReply:
    """What came back.

    Attributes:
        text: The answer; empty where there is none.
        finish: ``stop``, ``length`` (cut off at the limit), ``content_filter``, ``refusal``, or what the endpoint says;
            ``bad_request`` where it refuses the request itself, such as a prompt that is too long.
        prompt_tokens: As the endpoint counts them, or estimated where it does not.
        answer_tokens: Likewise.
        model: The model's name as the endpoint reports it.
        date: When it came.
        failure: Why there is no answer after all retries; such a reply is not kept and will be asked for again.
    """

    text: str = ""
    finish: str = "stop"
    prompt_tokens: int = 0
    answer_tokens: int = 0
    model: str = ""
    date: str = ""
    failure: str = ""
