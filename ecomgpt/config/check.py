"""YAML trees and values against types: every problem with its file, line, key and the nearest valid name.

The files of Hydra's groups and the command line are checked here before Hydra composes them, because Hydra stops at the
first problem.
"""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times faster where PyYAML was built with libyaml; a broken file is read again with the other, whose messages
say more."""


def parse(path: Path) -> tuple[yaml.Node | None, list[str]]:
    """The file's YAML tree (None for an empty file), or what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        try:
            node = yaml.compose(text, Loader=FAST)
        except yaml.YAMLError:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        construct(node)  # Unknown tags, impossible dates and the like show only now.
        return node, []
    except OSError as error:
        return None, [f"{path}: cannot be read: {error.strerror}"]
    except UnicodeDecodeError as error:
        return None, [f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8"]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return None, [f"{path}:{line}: broken YAML: {error.problem}"]
    except yaml.YAMLError as error:
        return None, [f"{path}: broken YAML: {' '.join(str(error).split())}"]
    except ValueError as error:
        return None, [f"{path}: broken YAML: a date or number that can't be: {error}"]


def construct(node: yaml.Node | None) -> Any:
    """Plain Python values of a YAML tree."""
    return {} if node is None else yaml.SafeLoader("").construct_document(node)


def check(
    node: yaml.Node, hint: Any, file: str, key: str = "", field: dataclasses.Field | None = None
) -> Iterator[str]:
    """Every problem of a YAML tree against a type, as sentences.

    Interpolations (``${...}``) and ``???`` pass: Hydra resolves and checks them later.

    Args:
        node: The tree.
        hint: A dataclass, or a type as in a dataclass's annotations.
        file: Its name, for the message.
        key: The dotted key of ``node``.
        field: The field that declares the limits, if any.
    """
    from ecomgpt.config import validate  # pydantic takes a fifth of a second, and --help needs none of it.

    kind = validate.pydantic_type(hint, field.metadata if field else {})
    found = validate.validated(node, construct(node), kind, file, key)[1]
    for at, sentence in found:
        if not (isinstance(at, yaml.ScalarNode) and ("${" in at.value or at.value == "???")):
            yield sentence


def check_value(value: Any, hint: Any, field: dataclasses.Field | None, key: str, where: str) -> Iterator[str]:
    """As `check`, for a value from the command line: it takes the same way through YAML."""
    node = yaml.compose(yaml.safe_dump(value, allow_unicode=True), Loader=yaml.SafeLoader)
    assert node is not None  # A dumped value is never an empty document.
    for problem in check(node, hint, where, key, field):
        yield re.sub(rf"^{re.escape(where)}:\d+: ", f"{where}: ", problem)
