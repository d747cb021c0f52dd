"""In-process decoding with transformers; the model is loaded with the first row."""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ecomgpt.config.schema import Config, EvalConfig
from ecomgpt.eval.backends import ModelSpec, Reply
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.task import EvalTask

if TYPE_CHECKING:
    import torch

    from ecomgpt.eval.decoding.generate import Decoding


LEAST_TOKENS, UNKNOWN_TOKENS, MOST_TOKENS = 1024, 8192, 32768
"""Bounds of the keys held at once in decoding, and their number for a model of unknown shape."""


class Transformers:
    """Decodes with `ecomgpt.eval.decoding.generate`.

    Args:
        spec: The model.
    """

    shards = True
    ranks = True

    def __init__(self, spec: ModelSpec) -> None:
        self.spec, self.config, self.name = spec, spec.config, spec.name

    def answer(self, task: EvalTask, rows: Sequence[EvalRow]) -> Iterator[Reply]:
        """See `ecomgpt.eval.backends.Backend`."""
        from ecomgpt.eval.decoding.generate import answer

        model, tokenizer = self.loaded
        yield from answer(model, tokenizer, rows, self.decoding(task))

    def decoding(self, task: EvalTask) -> "Decoding":
        """The task's limits within those of the configuration."""
        from ecomgpt.eval.decoding.generate import Decoding

        settings = self.config.eval
        most_prompt, most_new = limits(settings, task)
        return Decoding(
            most_new, most_prompt, self.batch_tokens, settings.beams, (task.decoding or settings.decoding) == "rank"
        )

    def made_by(self, task: EvalTask) -> str:
        """See `ecomgpt.eval.backends.Backend`."""
        from ecomgpt.eval.identity import made_by

        return made_by(self.answerer, self.config.eval, task)

    @cached_property
    def answerer(self) -> str:
        """Model and settings; see `ecomgpt.eval.identity`."""
        from ecomgpt.eval.identity import answerer

        return answerer(self.spec, self.settings())

    def settings(self) -> dict[str, Any]:
        """Includes the batch size: in low precision scores move with the batches."""
        return decoding_settings(self.config, batch_tokens=self.batch_tokens)

    @cached_property
    def batch_tokens(self) -> int:
        """Tokens whose keys are held at once."""
        return batch_tokens(self.config)

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """Model and tokenizer, on the device."""
        from ecomgpt.model.loading import load_model, load_tokenizer, read_model, read_tokenizer
        from ecomgpt.runtime.machine import on_gpu

        config, folder, dtype = self.config, self.spec.folder, number_format(self.config)
        if folder:
            model, tokenizer = read_model(folder, dtype), read_tokenizer(folder)
        else:
            source = (config.model, config.paths.models)
            tokenizer = self.spec.tokenizer() if self.spec.tokenizer else load_tokenizer(*source)
            model = load_model(*source, tokenizer, config.seed, dtype)
        # Each of several processes has a device of its own.
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if on_gpu(config.trainer) else "cpu"
        placed: Any = model.to(device)  # type: ignore[arg-type]
        return placed.eval(), tokenizer


def batch_tokens(config: Config) -> int:
    """``eval.batch_tokens``, or how many tokens' keys and values fit an eighth of the device's memory.

    Of its total memory, not of what is free: the same command must make the same batches. More than `MOST_TOKENS` gain
    little.
    """
    from ecomgpt.model.locate import with_shape_from_config
    from ecomgpt.runtime.machine import machine

    model = with_shape_from_config(config.model, config.paths.models)
    if config.eval.batch_tokens is not None or not (model.layers and model.hidden_size):
        return config.eval.batch_tokens or UNKNOWN_TOKENS
    here = machine(config)
    memory = here.device_bytes / 8 / (1 if here.devices else config.trainer.devices)
    # A key and a value of the model's width in every block; shared heads take less.
    token = 2 * model.layers * model.hidden_size * number_format(config).itemsize
    # Rounded, so that machines of almost the same memory make the same batches.
    return max(LEAST_TOKENS, min(MOST_TOKENS, int(memory / token) // LEAST_TOKENS * LEAST_TOKENS))


def limits(settings: EvalConfig, task: EvalTask) -> tuple[int, int]:
    """Most tokens of a task's prompts and of its answers."""
    most_new = min(task.max_new_tokens, settings.max_new_tokens or task.max_new_tokens)
    return task.max_prompt_tokens or settings.max_prompt_tokens, most_new


def decoding_settings(config: Config, **own: Any) -> dict[str, Any]:
    """What the answers of a model in this process depend on, with a backend's own settings of its batches."""
    return {
        "decoding": config.eval.decoding,
        "beams": config.eval.beams,
        **own,
        "max_prompt_tokens": config.eval.max_prompt_tokens,
        "max_new_tokens": config.eval.max_new_tokens,
        "dtype": dtype_name(config),
    }


def dtype_name(config: Config) -> str:
    """The name of `number_format`, such as ``float32``."""
    return str(number_format(config)).removeprefix("torch.")


def number_format(config: Config) -> "torch.dtype":
    """The number format of decoding: training's, except that ``auto`` on CPUs is always float32.

    Only in float32 is a text independent of the rows decoded with it, and does an interrupted evaluation end with the
    files of an uninterrupted one.
    """
    import torch

    from ecomgpt.runtime.machine import on_gpu
    from ecomgpt.strategy.precision import precision

    if config.trainer.precision == "auto" and not on_gpu(config.trainer):
        return torch.float32
    return {"b": torch.bfloat16, "1": torch.float16, "3": torch.float32}[
        precision(config.trainer, config.model.hidden_size)[0]
    ]


make = Transformers
"""See `ecomgpt.eval.backends`."""
