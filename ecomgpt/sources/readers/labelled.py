"""Typed records as JSON Lines, the form in which labelled records lie on disk: a record's own fields and its ``kind``."""

import dataclasses
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

from ecomgpt.sources.readers.item import Item, Malformed, Source
from ecomgpt.sources.readers.lines import read_lines
from ecomgpt.sources.records import KINDS, EntityText, Record, Review

OPTIONS: dict[str, str] = {
    "pseudo": "'only' where a chat model labelled the records",
    "official_test": "true where the dataset that the texts come from has a test split",
}


def read_labelled(source: Source) -> Iterator[Item]:
    """Reads a file of records."""
    for line in read_lines(source.path):
        if line.bad:
            yield Item(line.number, bad=line.bad)
        elif line.text.strip():
            try:
                yield Item(line.number, (from_json(json.loads(line.text)),))
            except Malformed as error:
                yield Item(line.number, bad=str(error))
            except (ValueError, RecursionError) as error:
                yield Item(line.number, bad=f"broken JSON: {error}")


def to_json(record: Record) -> dict[str, Any]:
    """A record as plain values."""
    return {"kind": type(record).__name__, **dataclasses.asdict(record)}


def from_json(values: Any) -> Record:
    """A record from plain values.

    Raises:
        Malformed: If a field is missing, unknown or of another type, or a span does not stand where it says.
    """
    if not isinstance(values, dict) or values.get("kind") not in KINDS:
        raise Malformed(f"is no object with a 'kind' of {', '.join(KINDS)}")
    record = _build(KINDS[values["kind"]], {name: value for name, value in values.items() if name != "kind"}, "")
    if isinstance(record, EntityText):
        spans = [(span.start, span.end, span.term) for span in record.entities]
    else:
        spans = (
            [(one.start, one.end, one.term) for one in record.aspects if one.term] if isinstance(record, Review) else []
        )
    for start, end, term in spans:
        if start < 0 or record.text[start:end] != term:
            raise Malformed(f"the term '{term[:60]}' does not stand at {start} to {end} of the text")
    return record


def _build(cls: Any, values: Any, key: str) -> Any:
    if not isinstance(values, dict):
        raise Malformed(f"'{key}' is no object")
    fields, hints = {field.name: field for field in dataclasses.fields(cls)}, typing.get_type_hints(cls)
    for name in values:
        if name not in fields:
            raise Malformed(f"there is no field '{key}{name}'")
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise Malformed(f"the field '{key}{name}' is missing")
    return cls(**{name: _value(hints[name], value, f"{key}{name}") for name, value in values.items()})


def _value(hint: Any, value: Any, key: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, f"{key}.")
    if origin in (typing.Union, types.UnionType):
        return (
            None if value is None else _value(next(one for one in arguments if one is not types.NoneType), value, key)
        )
    if origin is tuple and isinstance(value, list):
        if arguments[-1] is Ellipsis:
            return tuple(_value(arguments[0], one, key) for one in value)
        if len(value) == len(arguments):
            return tuple(_value(one, part, key) for one, part in zip(arguments, value, strict=True))
    elif origin is dict and isinstance(value, dict):
        return {name: _value(arguments[1], one, f"{key}.{name}") for name, one in value.items()}
    elif origin is None and type(value) is hint:
        return value
    raise Malformed(f"'{key}' is {str(value)[:60]!r}, which is not of its type")
