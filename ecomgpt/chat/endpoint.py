"""One request over the network, and what each way of failing means."""

import email.utils
import json
import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ecomgpt.chat.messages import ChatReply, Request
from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import ChatConfig

LONGEST_PAUSE = 600.0
"""Seconds that an endpoint may ask us to wait; more than that is a used-up quota, not a moment's load."""
SHORTEST_SECRET = 8


class Transient(Exception):
    """Asking again may help.

    Args:
        reason: A few words, for the counts.
        wait: Seconds that the endpoint asks to wait, if it does.
        charged: Whether the request may have been charged although no answer came.
    """

    def __init__(self, reason: str, wait: float | None = None, charged: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.wait, self.charged = reason, wait, charged


class Refused(Exception):
    """The endpoint can't answer this one request; asking again does not help."""


class Fatal(UserError):
    """No request can succeed: the key is refused, the model unknown, nothing there."""


class Endpoint:
    """The connection; knows the key, and lets it into no message.

    Raises:
        UserError: If the package ``openai`` or the key is missing.
    """

    def __init__(self, settings: ChatConfig) -> None:
        problems = list(missing(settings))
        if problems:
            raise UserError(*problems)
        import openai

        self.settings = settings
        self.reached = False
        self._key = read_key(settings)
        self._client = openai.OpenAI(
            api_key=self._key or "none", base_url=settings.base_url, timeout=settings.timeout, max_retries=0
        )

    def __repr__(self) -> str:
        return f"Endpoint({self.settings.base_url}, {self.settings.model})"

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def ask(self, request: Request) -> ChatReply:
        """Sends one request once.

        Raises:
            Transient: Where asking again may help.
            Refused: Where it does not, for this request.
            Fatal: Where no request can succeed.
        """
        import openai

        try:
            raw = self._client.chat.completions.with_raw_response.create(**self._arguments(request))
            self.reached = True
            return self._reply(raw.text, request)
        except openai.APITimeoutError:
            raise Transient("timeout", charged=True) from None
        except openai.APIConnectionError as error:
            cause = self._line(str(error.__cause__ or error))
            if not self.reached:
                raise Fatal(f"chat.base_url: {self.settings.base_url} cannot be reached ({cause})") from None
            raise Transient("connection", charged=True) from None
        except openai.APIStatusError as error:
            self.reached = True
            return self._status(error.status_code, error.response.headers, error.body, error.message)
        except openai.OpenAIError as error:
            raise Transient(type(error).__name__, charged=True) from None

    def _arguments(self, request: Request) -> dict[str, Any]:
        body = request.body(self.settings)
        return {"model": body.pop("model"), "messages": body.pop("messages"), "extra_body": body}

    def _reply(self, text: str, request: Request) -> ChatReply:
        """A completion's JSON as a reply; what is none, such as a proxy's page, is asked for again."""
        try:
            body = json.loads(text)
            choices = body["choices"]
            if not choices:
                raise Transient("empty choices", charged=True)
            choice, message = choices[0], choices[0]["message"]
            content, refusal = message.get("content") or "", message.get("refusal") or ""
            finish = "refusal" if refusal else choice.get("finish_reason") or "stop"
            if not isinstance(content, str) or not isinstance(finish, str):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            raise Transient("no chat completion", charged=True) from None
        content = self._clean(content)
        usage = body.get("usage") if isinstance(body.get("usage"), dict) else {}
        told = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        prompt = told[0] if isinstance(told[0], int) else request.about_tokens()
        answer = told[1] if isinstance(told[1], int) else Request((("assistant", content),)).about_tokens()
        return ChatReply(content, finish, prompt, answer, self._clean(str(body.get("model") or "")), _now())

    def _status(self, status: int, headers: Mapping[str, str], body: object, text: str) -> ChatReply:
        settings, detail = self.settings, self._line(re.sub(r"^Error code: \d+ - ", "", text))
        code = str(body.get("code") or body.get("type") or "") if isinstance(body, dict) else ""
        if "content_filter" in code or "content_filter" in detail:
            return ChatReply(finish="content_filter", date=_now())
        if status in (401, 403):
            source = f"${settings.key_variable}" if settings.key_variable else "no key (chat.key_variable=null)"
            raise Fatal(f"chat.key_variable: {settings.base_url} refuses {source} ({status}: {detail})")
        if status == 404:
            raise Fatal(
                f"chat.model: {settings.base_url} knows no model '{settings.model}', or chat.base_url is wrong "
                f"({status}: {detail})"
            )
        if status == 402 or code in ("insufficient_quota", "billing_hard_limit_reached"):
            raise Fatal(f"chat: the account at {settings.base_url} has no credit left ({status}: {detail})")
        if status in (408, 409, 429) or status >= 500:
            wait = retry_after(headers)
            if wait is not None and wait > LONGEST_PAUSE:
                raise Fatal(
                    f"chat: {settings.base_url} wants no request for {wait:.0f} s ({status}: {detail}); "
                    "the same command goes on then"
                )
            raise Transient(f"HTTP {status}", wait)
        raise Refused(f"HTTP {status}: {detail}")

    def _line(self, text: str) -> str:
        """A message of the other side as one short line that can do a terminal no harm."""
        printable = "".join(sign if sign.isprintable() else " " for sign in self._clean(text))
        return " ".join(printable.split())[:300]

    def _clean(self, text: str) -> str:
        """The text without the key, should an endpoint echo it."""
        return text.replace(self._key, "***") if len(self._key) >= SHORTEST_SECRET else text


def missing(settings: ChatConfig) -> list[str]:
    """What prevents any request: one sentence each."""
    import importlib.util

    found = []
    if importlib.util.find_spec("openai") is None:
        found.append("a chat endpoint needs the package openai: pip install 'ecomgpt[chat]'")
    name = settings.key_variable
    key = read_key(settings)
    if name and not key:
        found.append(
            f"chat.key_variable: ${name} is not set; export {name}=<your key>, "
            "or give chat.key_variable=null for an endpoint without keys"
        )
    elif not key.isascii() or not key.isprintable():
        found.append(f"chat.key_variable: ${name} holds characters that no key has")
    return found


def read_key(settings: ChatConfig) -> str:
    """The key from the environment; it is read when it is needed and kept nowhere else."""
    return os.environ.get(settings.key_variable, "").strip() if settings.key_variable else ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the headers ask to wait (a number, or an HTTP date), or None."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            return max(0.0, float(value) * unit)
        except ValueError:
            pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
