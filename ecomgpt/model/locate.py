"""Where a backbone's weights are: a folder, a Python package, the local hub cache, or the hub."""

import importlib.util
import os
from dataclasses import dataclass, field
from pathlib import Path

from ecomgpt.config.schema import Config, ModelConfig
from ecomgpt.errors import UserError


@dataclass
class Weights:
    """The outcome of the search.

    Attributes:
        path: What `from_pretrained` takes, or None where nothing was found.
        local: Whether it lies on this machine.
        looked: The places that were tried, in order, for people.
    """

    path: str | None
    local: bool
    looked: list[str] = field(default_factory=list)


def locate(config: Config) -> Weights:
    """Finds the weights of ``config.model``: what is on this machine first, then the hub where it can be reached."""
    model = config.model
    looked: list[str] = []
    if model.python_package and not model.path:
        spec = importlib.util.find_spec(model.python_package)
        looked.append(f"the Python package {model.python_package}" + ("" if spec else " (not installed)"))
        folder = str(Path(spec.origin).parent) if spec and spec.origin else None
        return Weights(folder, True, looked)
    name = model.path or ""
    for place in (Path(name).expanduser(), Path(config.paths.models).expanduser() / name.rsplit("/", 1)[-1]):
        looked.append(f"the folder {place.absolute()}")
        if (place / "config.json").is_file() or (model.gguf_file and (place / model.gguf_file).is_file()):
            return Weights(str(place), True, looked)
    return _hub(model, name, looked)


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
    """Asks the hub once, briefly, so that a machine without network learns so in seconds."""
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(name, revision=revision, timeout=5)
    except Exception:  # Any answer but yes means the same here; the message lists where we looked.
        return False
    return True


def require_weights(config: Config) -> str:
    """The path for `from_pretrained`.

    Raises:
        UserError: With every place that was looked at.
    """
    found = locate(config)
    if found.path is None:
        raise UserError(
            f"model={config.model.name}: no weights found; looked at {', '.join(found.looked)}. "
            "Give model.path=<folder in Hugging Face format>, or put them into paths.models"
        )
    return found.path
