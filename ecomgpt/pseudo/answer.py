"""A chat model's answer as checked items: JSON of the wanted shape, labels of the given sets, words of the text.

One thing is forgiven: the JSON may stand in a Markdown code fence, and white space around it. Everything else that is
not as it was asked for rejects the whole answer, with a reason: half of an answer is not what the model meant.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecomgpt.chat.messages import ChatReply

FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)
UNFINISHED = {
    "length": "cut off at the token limit",
    "content_filter": "stopped by the endpoint's content filter",
    "refusal": "refused",
    "bad_request": "a request that the endpoint does not take",
}
Axes = Mapping[str, Sequence[str]]
"""Axis to the labels to choose from, in one language."""


class Rejected(Exception):
    """An answer that is no label.

    Args:
        reason: For the counts: a few words that many answers share.
        detail: What exactly, for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Shape:
    """The JSON of an answer: one object with these fields, or under ``key`` a list of such objects.

    Attributes:
        fields: Name to the axis whose labels it takes, or None for free text.
        key: The list's name; empty for one object.
    """

    fields: Mapping[str, str | None]
    key: str = ""

    def schema(self, axes: Axes) -> dict[str, Any]:
        """The JSON schema for endpoints that follow one."""
        texts = {
            name: {"type": "string"} if axis is None else {"type": "string", "enum": list(axes[axis])}
            for name, axis in self.fields.items()
        }
        one = _object(texts)
        return _object({self.key: {"type": "array", "items": one}}) if self.key else one

    def items(self, reply: ChatReply, axes: Axes) -> list[dict[str, str]]:
        """The answer's objects, each once.

        Raises:
            Rejected: If the answer is not as asked for.
        """
        value = read(reply)
        if self.key:
            if not isinstance(value, dict) or list(value) != [self.key] or not isinstance(value[self.key], list):
                raise Rejected("JSON of another shape", f"expected an object with the list '{self.key}'")
            value = value[self.key]
        else:
            value = [value]
        items = [self._item(one, axes) for one in value]
        return [item for number, item in enumerate(items) if item not in items[:number]]

    def _item(self, value: Any, axes: Axes) -> dict[str, str]:
        names = ", ".join(f"'{name}'" for name in self.fields)
        if not isinstance(value, dict) or set(value) != set(self.fields):
            raise Rejected("JSON of another shape", f"expected objects with {names}")
        for name, axis in self.fields.items():
            text = value[name]
            if not isinstance(text, str) or not text or text != text.strip():
                raise Rejected("an empty or padded field", f"'{name}' is {text!r}"[:200])
            if any("\ud800" <= sign <= "\udfff" for sign in text):  # Lone surrogates, which UTF-8 cannot hold.
                raise Rejected("characters that are no text", f"'{name}' is {text!r}"[:200])
            if axis is not None and text not in axes[axis]:
                raise Rejected("a label that was not offered", f"'{text}' is no {name}"[:200])
        return value


def read(reply: ChatReply) -> Any:
    """The JSON of an answer.

    Raises:
        Rejected: If there is none.
    """
    if reply.finish in UNFINISHED:
        raise Rejected(UNFINISHED[reply.finish], reply.failure)
    if reply.failure:
        raise Rejected("no answer from the endpoint", reply.failure)
    text = reply.text.strip()
    if not text:
        raise Rejected("an empty answer")
    fenced = FENCE.fullmatch(text)
    try:
        return json.loads(fenced.group(1) if fenced else text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Rejected("no JSON", str(error)[:200]) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return found


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
