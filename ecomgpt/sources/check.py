"""What a dataset's declaration says that can't work: names that nothing reads, options of another shape."""

import codecs
import re
from collections.abc import Iterator
from typing import Any

from ecomgpt.common.errors import suggestion
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.keep import SPLITS
from ecomgpt.sources.readers import READERS, options
from ecomgpt.sources.readers.cells import AXES
from ecomgpt.sources.records import KINDS

FIELDS = (
    *("id", "group", "language", *AXES, "text", "title", "description", "attributes", "brand", "cluster", "product"),
    *("question", "context", "answers", "relevance", "left", "right", "relation", "source", "target", "entities"),
    *("aspects", "query", "dialogue", "speaker", "turns", "turn.text", "turn.speaker"),
    *(f"turn.{axis}" for axis in AXES),
)
"""What ``columns`` may fill."""
LABEL_AXES = (*AXES, "aspect", "entity", "polarity", "query_attribute", "relation", "relevance", "sides", "speaker")
"""What ``labels`` may declare names for."""
LISTS = ("absent", "header", "optional", "template", "unescape")
MAPPINGS = ("attributes", "drop", "drop_marks", "extract", "keep", "local", "multi", "names", "queries", "remote")


def problems(dataset: Dataset) -> Iterator[str]:
    """Sentences on what the declaration's types can't say."""
    for kind in dataset.records:
        if kind not in KINDS:
            yield f"there is no record kind '{kind}'{suggestion(kind, list(KINDS))}"
    for split in dataset.files:
        if split not in SPLITS:
            yield f"'{split}' is no split{suggestion(split, ['train', 'validation', 'test'])}"
    if not dataset.records:
        yield f"'records' is empty; name at least one of {', '.join(KINDS)}"
    for name in dataset.columns:
        if name not in FIELDS:
            yield f"'columns' fills '{name}', which no record has{suggestion(name, FIELDS)}"
    for axis in dataset.labels:
        name, dot, language = axis.partition(".")
        if name not in LABEL_AXES:
            yield f"'labels' names '{axis}', which is no axis{suggestion(name, LABEL_AXES)}"
        elif dot and language not in ("en", "zh"):
            yield f"'labels.{axis}': '{language}' is no language; known: en, zh"
    yield from _options(dataset)


def _options(dataset: Dataset) -> Iterator[str]:
    if dataset.reader not in READERS:
        yield f"the reader '{dataset.reader}' is unknown{suggestion(dataset.reader, list(READERS))}"
        return
    if dataset.reader == "demo":
        return  # The generator looks at its own settings.
    known = options(dataset.reader)
    for name, value in dataset.options.items():
        if name not in known:
            yield f"the reader '{dataset.reader}' has no option '{name}'{suggestion(name, list(known))}"
        elif wrong := _wrong(name, value):
            yield f"'options.{name}' is {str(value)[:60]!r}, {wrong}"


def _wrong(name: str, value: Any) -> str:
    """What an option's value should be, where it is not; text where a list belongs would be taken letter by letter."""
    if name in LISTS and not isinstance(value, list):
        return "expected a list"
    if name in MAPPINGS and not isinstance(value, dict):
        return "expected a mapping"
    inner = {"drop": dict, "keep": list}.get(name)
    if inner and not all(isinstance(one, inner) for one in value.values()):
        return "expected {column: {value: reason}}" if inner is dict else "expected {column: [values]}"
    if name == "delimiter" and not (isinstance(value, str) and len(value) == 1):
        return "expected one character"
    if name == "encoding" and not _known_encoding(value):
        return "which is no encoding; utf-8, gb18030 and latin-1 are some"
    if name == "extract" and not all(_has_a_group(pattern) for pattern in value.values()):
        return "expected patterns with one group in parentheses"
    return ""


def _known_encoding(name: Any) -> bool:
    try:
        return bool(codecs.lookup(str(name)))
    except LookupError:
        return False


def _has_a_group(pattern: Any) -> bool:
    try:
        return re.compile(str(pattern)).groups >= 1
    except re.error:
        return False
