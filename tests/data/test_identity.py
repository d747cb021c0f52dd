"""What a mixture's fingerprint depends on: what files say, not how it is written."""

import ast
import re
from pathlib import Path

import pytest

from ecomgpt.common.hashing import code_hash, file_hash, source_hash
from ecomgpt.config.roots import PACKAGE, shipped
from ecomgpt.data.fingerprint import AFTERWARDS, HELPERS, ROOMS

CODE = sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py"))
SETTINGS = sorted([*(PACKAGE / "sources").rglob("*.toml"), *(shipped("conf") / "tasks").rglob("*.yaml")])


def hash_of(folder: Path, name: str, text: str) -> str:
    path = folder / str(len(list(folder.iterdir()))) / name
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    return source_hash(path)


def test_comments_docstrings_and_layout_of_code_change_nothing(tmp_path: Path) -> None:
    for path in CODE:
        text = path.read_text(encoding="utf-8")
        rewritten = ast.unparse(ast.parse(text))  # another layout, and no comment left
        assert hash_of(tmp_path, path.name, rewritten) == source_hash(path), path
        told = re.sub(r"^(def .*|class .*):$", r'\1:\n    """Another docstring."""', rewritten, flags=re.M)
        assert hash_of(tmp_path, path.name, f'"""Another module."""\n{told}\n"""And a word."""\n') == source_hash(path)


def test_comments_and_layout_of_declarations_change_nothing(tmp_path: Path) -> None:
    for path in SETTINGS:
        text = path.read_text(encoding="utf-8")
        assert hash_of(tmp_path, path.name, "# a comment\n\n" + text + "\n# another\n") == source_hash(path), path


@pytest.mark.parametrize(
    ("name", "text", "other"),
    [
        ("a.py", "LIMIT = 5", "LIMIT = 6"),
        ("a.py", "LIMIT = 5", "LIMIT = 5.0"),
        ("a.py", "LIMIT = 'a'", "LIMIT = b'a'"),
        ("a.py", "def f(a, b=1):\n    return a", "def f(a, b=1):\n    return b"),
        ("a.py", "def f(a):\n    return a", "def f(*a):\n    return a"),
        ("a.py", "f(a)\ng(b)", "f(a)"),
        ("a.py", "if a:\n    b\nc", "if a:\n    b\n    c"),
        ("a.py", "f(a, [])", "f(a)"),
        ("a.py", "f'{a}b'", "f'{a!r}b'"),
        ("a.yaml", "a: 1", "a: '1'"),
        ("a.yaml", "a: [x, y]", "a: [y, x]"),
        ("a.toml", "a = 1", "a = 2"),
        ("a.py", "not python, 1", "not python, 2"),
        ("a.yaml", "a: [", "b: ["),
        ("a.txt", "a", "a "),
    ],
)
def test_what_a_file_says_counts(tmp_path: Path, name: str, text: str, other: str) -> None:
    assert hash_of(tmp_path, name, text) != hash_of(tmp_path, name, other)


def test_a_file_that_is_rewritten_is_hashed_again(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("a = 1")
    before = code_hash(tmp_path)
    path.write_text("a = 10")
    assert code_hash(tmp_path) != before
    assert code_hash(tmp_path, ["a.py"]) == code_hash(tmp_path, ["a.py", "b.py"])


def test_what_only_reads_a_mixture_is_not_used_to_build_it() -> None:
    """The modules without a say, and those outside of the rooms that have one, are right."""
    without = {f"ecomgpt.{room}.{name.removesuffix('.py')}" for room, names in AFTERWARDS.items() for name in names}
    imported = set()
    for path in CODE:
        if path.name not in AFTERWARDS.get(path.parent.name, ()):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    imported |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    assert not imported & without
    assert all((PACKAGE / name).is_file() for name in HELPERS)
    assert all((PACKAGE / room / name).is_file() for room, names in AFTERWARDS.items() for name in names)


def test_a_data_file_counts_by_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n1,2\n")
    before = file_hash(file)
    file.write_text("a,b\n1,3\n")
    assert file_hash(file) != before
    folder = file_hash(tmp_path)
    file.write_text("a,b\n1,4\n")
    assert "" != folder != file_hash(tmp_path), "a copy by save_to_disk is a folder"
