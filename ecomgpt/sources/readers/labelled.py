"""Typed records as JSON Lines, the form of labelled records on disk: a record's own fields and its ``kind``."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from ecomgpt.common.jsonl import parse_json
from ecomgpt.sources.readers.item import Item, Malformed, SourceFile
from ecomgpt.sources.readers.lines import read_lines
from ecomgpt.sources.records import KINDS, EntityText, Record, Review

OPTIONS: dict[str, str] = {
    "pseudo": "'only' where a chat model labelled the records",
    "official_test": "true where the dataset that the texts come from has a test split",
}


def read_labelled(source: SourceFile) -> Iterator[Item]:
    """Reads a file of records."""
    for line in read_lines(source.path):
        if line.bad:
            yield Item(line.number, bad=line.bad)
        elif line.text.strip():
            try:
                yield Item(line.number, (from_json(parse_json(line.text)),))
            except Malformed as error:
                yield Item(line.number, bad=str(error))
            except ValueError as error:
                yield Item(line.number, bad=str(error))


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
    fields = {name: value for name, value in values.items() if name != "kind"}
    try:
        record = _adapter(values["kind"]).validate_python(fields)
    except ValidationError as error:
        found = error.errors(include_url=False)
        unknown = [one for one in found if one["type"] == "unexpected_keyword_argument"]
        raise Malformed(_sentence((unknown or found)[0])) from None
    if isinstance(record, EntityText):
        spans = [(span.start, span.end, span.term) for span in record.entities]
    elif isinstance(record, Review):
        spans = [(one.start, one.end, one.term) for one in record.aspects if one.term]
    else:
        spans = []
    for start, end, term in spans:
        if start < 0 or record.text[start:end] != term:
            raise Malformed(f"the term '{term[:60]}' does not stand at {start} to {end} of the text")
    return record


@functools.cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[kind])


def _sentence(error: ErrorDetails) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "unexpected_keyword_argument":
        return f"there is no field '{key}'"
    if error["type"] == "missing":
        return f"the field '{key}' is missing"
    return f"'{key}' is {str(error['input'])[:60]!r}, which is not of its type"
