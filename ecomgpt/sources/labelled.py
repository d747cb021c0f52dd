"""Pseudo-labelled records as datasets: what ``job=pseudo_label`` wrote joins the dataset whose texts it labelled.

A labelling's records lie in ``<paths.pseudo>/<dataset>/<labelling>.jsonl``; beside them, ``<labelling>.manifest.json``
says who labelled what, with which prompt and when. Together they give one more `Dataset`, whose atomic tasks have the
label "pseudo".
"""

from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.common.hashing import file_hash
from ecomgpt.common.jsonl import parse_json
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.records import KINDS

NEEDED = {"labelling": str, "title": str, "family": str, "record": str, "axes": dict, "model": str, "prompt": str}


def labelled_datasets(base: Dataset, folder: Path) -> list[Dataset]:
    """The datasets of labels for a dataset's texts.

    Args:
        base: Whose texts were labelled. Its terms, its exclusion and what it protects hold for the labels too.
        folder: ``paths.pseudo``.

    Raises:
        UserError: If a manifest is broken.
    """
    found = []
    for path in sorted((folder / base.name).glob("*.manifest.json")):
        manifest = read_manifest(path)
        name = manifest["labelling"]
        records = path.with_name(f"{name}.jsonl")
        if manifest.get("checksum", (known := file_hash(records))) != known:
            raise UserError(
                f"{records}: holds other records than job=pseudo_label wrote; label again (what was answered is kept), "
                f"or take 'checksum' out of {path.name} if you changed them on purpose"
            )
        found.append(
            base.model_copy(
                update={
                    "name": f"{base.name}_{name}",
                    "title": f"{base.title}: {manifest['title']}, labelled by {manifest['model']} "
                    f"(prompt {manifest['prompt']})",
                    "family": manifest["family"],
                    "records": [manifest["record"]],
                    "reader": "labelled",
                    "files": {"": [f"{name}.jsonl"]},
                    "folder": str(path.parent.absolute()),
                    "columns": {"id": "id"},
                    "labels": {
                        f"{axis}.{language}": {label: label for label in labels}
                        for axis, by in manifest["axes"].items()
                        for language, labels in by.items()
                    },
                    "sides": [],
                    "options": {"pseudo": "only", "official_test": bool(manifest.get("official_test"))},
                    "hub": None,
                    "path": str(path),
                    "splits_of": base.name,
                }
            )
        )
    return found


def provenance(dataset: Dataset) -> dict[str, Any] | None:
    """Who labelled a dataset's records, with which prompt and when; None where people did."""
    if dataset.reader != "labelled":
        return None
    manifest = read_manifest(Path(dataset.path))
    return {
        name: manifest.get(name)
        for name in ("model", "served_models", "endpoint", "prompt", "parameters", "answered", "complete")
    }


def read_manifest(path: Path) -> dict[str, Any]:
    """A labelling's manifest.

    Raises:
        UserError: If it is not as `job=pseudo_label` writes it.
    """
    again = "label again with job=pseudo_label, or delete the file"
    try:
        manifest = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); {again}") from None
    for key, kind in NEEDED.items():
        if not isinstance(manifest, dict) or not isinstance(manifest.get(key), kind):
            raise UserError(f"{path}: '{key}' is missing or no {kind.__name__}; {again}")
    if manifest["record"] not in KINDS or path.name != f"{manifest['labelling']}.manifest.json":
        raise UserError(
            f"{path}: does not belong to '{manifest['labelling']}' of records '{manifest['record']}'; {again}"
        )
    return manifest
