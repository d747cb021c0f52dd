"""Attributes in the pseudo-JSON of semiPQA: ``weight: { unit:pounds, value:0.3 }; { value:"light" }``, bare keys."""

import re

from ecomgpt.sources.readers.item import Malformed

PSEUDO_JSON = re.compile(r"\w+:\s*\{.*\}$", re.DOTALL)
"""What a whole text in this form looks like."""

Node = str | list["Node"] | dict[str, "Node"]


def parse_pseudo_json(text: str) -> list[tuple[str, str]]:
    """The attributes as (name, value) pairs: nested names are joined (``case diameter``), units follow their number.

    Empty where the attribute has no value (``lining: { }``).

    Raises:
        Malformed: If the text is not in this form.
    """
    name, sign, rest = text.partition(":")
    if not sign or not name.strip():
        raise Malformed(f"{text[:60]!r} is not 'name: {{ ... }}'")
    parser = _Parser(rest)
    return [pair for node in parser.several() for pair in _flat(_readable(name), node)]


def _readable(name: str) -> str:
    return " ".join(name.replace("_", " ").split())


def _flat(name: str, node: Node) -> list[tuple[str, str]]:
    if isinstance(node, str):
        return [(name, node)]
    if isinstance(node, list):
        return [pair for one in node for pair in _flat(name, one)]
    value = _measure(node)
    if value:
        return [(name, value)]
    return [pair for key, one in node.items() for pair in _flat(f"{name} {_readable(key)}".strip(), one)]


def _measure(node: dict[str, Node]) -> str:
    """A leaf such as {unit, value, normalized_value} as "35 kilograms (77 pounds)"; empty where it is no leaf."""
    value = next(
        (node[key] for key in ("value", "string_value", "decimal_value") if isinstance(node.get(key), str)), None
    )
    if not isinstance(value, str):
        return ""
    unit, other = node.get("unit"), node.get("normalized_value")
    number = value.removesuffix(".") if value[:-1].isdigit() else value
    text = f"{number} {_readable(unit)}" if isinstance(unit, str) and "string_value" not in node else number
    converted = _measure(other) if isinstance(other, dict) else ""
    return f"{text} ({converted})" if converted and converted != text else text


class _Parser:
    """Recursive descent over ``{ key:value, ... }``, ``[ value, ... ]``, quoted text and bare words."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def several(self) -> list[Node]:
        nodes: list[Node] = []
        while self._peek():
            nodes.append(self._node(0))
            if self._peek() == ";":
                self.at += 1
        return nodes

    def _peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def _take(self, sign: str) -> None:
        if self._peek() != sign:
            raise Malformed(f"expected {sign!r} at {self.text[self.at : self.at + 20]!r}")
        self.at += 1

    def _node(self, depth: int) -> Node:
        if depth > 20:
            raise Malformed("the attribute is nested too deeply")
        sign = self._peek()
        if sign == "{":
            return self._mapping(depth)
        if sign == "[":
            self._take("[")
            nodes: list[Node] = []
            while self._peek() != "]":
                nodes.append(self._node(depth + 1))
                if self._peek() == ",":
                    self.at += 1
            self._take("]")
            return nodes
        return self._quoted(sign) if sign and sign in "\"'" else self._bare(",]};")

    def _mapping(self, depth: int) -> Node:
        self._take("{")
        found: dict[str, Node] = {}
        while self._peek() != "}":
            key = self._bare(":}")
            self._take(":")
            found[key] = self._node(depth + 1)
            if self._peek() == ",":
                self.at += 1
        self._take("}")
        return found

    def _quoted(self, sign: str) -> str:
        """Up to the closing quotation mark: one before a sign of the form, for marks stand inside too."""
        self.at += 1
        start = self.at
        while self.at < len(self.text):
            if self.text[self.at] == "\\":
                self.at += 2
                continue
            if self.text[self.at] == sign and self.text[self.at + 1 :].lstrip()[:1] in ("", ",", "}", "]", ";"):
                self.at += 1
                return self.text[start : self.at - 1].replace("\\" + sign, sign).strip()
            self.at += 1
        raise Malformed(f"the text {self.text[start : start + 20]!r} is not closed")

    def _bare(self, ends: str) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in ends:
            self.at += 1
        if self.at == start:
            raise Malformed(f"expected a word at {self.text[start : start + 20]!r}")
        return self.text[start : self.at].strip()
