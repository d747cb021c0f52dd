"""Where a backbone's weights are: a folder, a Python package, the local hub cache, or the hub."""

import dataclasses
import importlib.util
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import ModelConfig

SHAPE = {
    "hidden_size": ("hidden_size", "n_embed", "n_embd"),
    "layers": ("num_hidden_layers", "n_layer"),
    "heads": ("num_attention_heads", "n_head"),
    "vocabulary": ("vocab_size",),
    "intermediate_size": ("intermediate_size",),
}
"""Our names of a model's shape, and how architectures spell them in ``config.json``."""


@dataclass
class Weights:
    """Where weights were found.

    Attributes:
        path: What `from_pretrained` takes, or None where nothing was found.
        local: True if it lies on this machine.
        looked: The places that were tried, in order, for people.
    """

    path: str | None
    local: bool
    looked: list[str] = field(default_factory=list)


def locate(model: ModelConfig, models: str) -> Weights:
    """Finds a model's weights: on this machine first, then on the hub if it can be reached.

    Args:
        model: Names the weights.
        models: The folder that is searched for weights (``paths.models``).
    """
    looked: list[str] = []
    if model.python_package and not model.path:
        spec = importlib.util.find_spec(model.python_package)
        looked.append(f"the Python package {model.python_package}" + ("" if spec else " (not installed)"))
        folder = str(Path(spec.origin).parent) if spec and spec.origin else None
        return Weights(folder, True, looked)
    for place in _folders(model, models):
        looked.append(f"the folder {place.absolute()}")
        if (place / "config.json").is_file() or (model.gguf_file and (place / model.gguf_file).is_file()):
            return Weights(str(place), True, looked)
    return _hub(model, model.path or "", looked)


def require_weights(model: ModelConfig, models: str) -> str:
    """The path for `from_pretrained`; arguments as in `locate`.

    Raises:
        UserError: With every place that was looked at.
    """
    found = locate(model, models)
    if found.path is None:
        raise UserError(
            f"model={model.name}: no weights found; looked at {', '.join(found.looked)}. "
            "Give model.path=<folder in Hugging Face format>, or put them into paths.models"
        )
    return found.path


def with_shape_from_config(model: ModelConfig, models: str) -> ModelConfig:
    """The model with the shape in its weights' own ``config.json``, if they lie in a folder; arguments as in `locate`.

    Planning must use the shape that will be loaded, whichever model the folder was given for.
    """
    if model.source != "load" or not model.path:
        return model
    file = next((path for folder in _folders(model, models) if (path := folder / "config.json").is_file()), None)
    if file is None:
        return model
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
        shape: dict[str, Any] = {
            key: next((given[name] for name in names if isinstance(given.get(name), int)), None)
            for key, names in SHAPE.items()
        }
        family = {"bloom": "bloom", "llama": "llama"}.get(given.get("model_type"), "other")
    except (OSError, ValueError, AttributeError):
        return model  # Loading reports what is wrong with the file.
    return dataclasses.replace(model, family=family, **shape)


def _folders(model: ModelConfig, models: str) -> tuple[Path, Path]:
    name = model.path or ""
    return Path(name).expanduser(), Path(models).expanduser() / name.rsplit("/", 1)[-1]


def _hub(model: ModelConfig, name: str, looked: list[str]) -> Weights:
    """A hub id is ``owner/name``; anything else can only be a folder."""
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        return Weights(None, False, looked)
    from huggingface_hub import constants, try_to_load_from_cache

    looked.append(f"the hub cache {constants.HF_HUB_CACHE}")
    if isinstance(try_to_load_from_cache(name, model.gguf_file or "config.json", revision=model.revision), str):
        return Weights(name, True, looked)
    if constants.HF_HUB_OFFLINE or os.environ.get("TRANSFORMERS_OFFLINE") == "1":
        looked.append("the hub (not asked: offline mode is set)")
        return Weights(None, False, looked)
    looked.append(f"https://huggingface.co/{name}")
    return Weights(name if _reachable(name, model.revision) else None, False, looked)


def _reachable(name: str, revision: str | None) -> bool:
    """Asks the hub once, briefly, so that a machine without network finds out within seconds."""
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(name, revision=revision, timeout=5)
    except Exception:  # Whatever went wrong, the weights are not there; the message lists where we looked.
        return False
    return True
