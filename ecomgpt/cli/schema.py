"""JSON schemas of all YAML files, for editors: ``python -m ecomgpt.cli.schema <folder>``."""

import json
import sys
import typing
from pathlib import Path

from pydantic import BaseModel

from ecomgpt.common.files import write_text
from ecomgpt.compare.judge import Wording
from ecomgpt.config.schema import GROUPS, Config
from ecomgpt.config.validate import model_of
from ecomgpt.eval.mixture import Wordings
from ecomgpt.eval.task import EvalTask
from ecomgpt.pseudo.declaration import Labelling
from ecomgpt.sources.dataset import Dataset
from ecomgpt.tasks.declaration import Task

DECLARATIONS: dict[str, type[BaseModel]] = {
    "dataset": Dataset,
    "task": Task,
    "eval_task": EvalTask,
    "eval_wordings": Wordings,
    "labelling": Labelling,
    "judge": Wording,
}
IMPLIED = {"name", "family"}
"""Keys that a file need not give: they follow from where it lies."""


def schemas() -> dict[str, str]:
    """Schemas as JSON text by file name: one for each kind of declaration, and one for each group of Hydra's."""
    hints = typing.get_type_hints(Config)
    models = {**DECLARATIONS, **{f"group_{group}": model_of(hints[group]) for group in GROUPS if group in hints}}
    found = {}
    for name, model in models.items():
        schema = model.model_json_schema()
        if name.startswith("group_"):
            schema["properties"]["defaults"] = {"type": "array", "description": "Hydra's list of files to build upon"}
        elif name != "dataset":
            implied = IMPLIED if model is Task else {"name"}
            schema["required"] = [key for key in schema.get("required", []) if key not in implied]
        found[f"{name}.json"] = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    return found


if __name__ == "__main__":
    for name, text in schemas().items():
        write_text(Path(sys.argv[1]) / name, text)
