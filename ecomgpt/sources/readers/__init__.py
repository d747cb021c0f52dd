"""Readers, one per format: a file becomes items (records, or the reason why there is none). A dataset names its reader.

The modules are imported when a reader is first used, so that listing the catalogue costs nothing.
"""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

READERS: dict[str, str] = {
    "csv": "ecomgpt.sources.readers.delimited:read_csv",
    "jsonl": "ecomgpt.sources.readers.objects:read_jsonl",
    "json": "ecomgpt.sources.readers.objects:read_json",
    "conll": "ecomgpt.sources.readers.conll:read_conll",
    "semeval14": "ecomgpt.sources.readers.semeval:read_semeval14",
    "semeval15": "ecomgpt.sources.readers.semeval:read_semeval15",
    "triples": "ecomgpt.sources.readers.triples:read_triples",
    "ditto": "ecomgpt.sources.readers.offer_pairs:read_ditto",
    "deepmatcher": "ecomgpt.sources.readers.offer_pairs:read_deepmatcher",
    "retrieval": "ecomgpt.sources.readers.retrieval:read_retrieval",
    "hub": "ecomgpt.sources.readers.hub:read_hub",
    "labelled": "ecomgpt.sources.readers.labelled:read_labelled",
    "demo": "ecomgpt.sources.demo.reader:read_demo",
}
"""Reader to ``module:function``. Its settings (``options``) are listed in the module's ``OPTIONS``."""

COMMON_OPTIONS: dict[str, str] = {
    "encoding": "the files' encoding (utf-8)",
    "repeats": "'keep' keeps records that repeat an earlier one word for word (drop)",
    "conflicts": "'drop' leaves out texts with contradicting labels, by a first pass over the files (keep)",
    "connect": "true joins groups that share a text, by a first pass over the files (false)",
    "local": "how a copy from the hub lies below the folder: {split of the hub: split here}",
    "remote": "single files on the hub, where it holds more than the dataset: {split: hf://datasets/<id>/<file>}",
    "config": "the hub's configuration name",
    "download": "false where the hub's copy needs a registration or a conversion by hand (true)",
}
"""Settings that the catalogue handles for every reader."""


def reader(name: str) -> Callable[..., Iterator[Any]]:
    """The reader function of a key of `READERS`."""
    module, function = READERS[name].split(":")
    return getattr(importlib.import_module(module), function)


def options(name: str) -> dict[str, str]:
    """The settings that a reader knows, with what they mean."""
    module = importlib.import_module(READERS[name].split(":")[0])
    return {**COMMON_OPTIONS, **getattr(module, "OPTIONS", {})}


def shown(path: Path, folder: Path) -> str:
    """A file's name below its dataset's folder, the stable part of record ids."""
    try:
        return path.relative_to(folder).as_posix()
    except ValueError:
        return path.name
