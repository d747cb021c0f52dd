"""The JSON schemas for editors are those of the code."""

from pathlib import Path

from ecomgpt.cli.schema import schemas

FOLDER = Path(__file__).parents[2] / "docs" / "schema"


def test_the_committed_schemas_are_current() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert committed == schemas(), "run `just schema`"
