"""In-process decoding with transformers; the model comes into memory with the first row."""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ecomgpt.config.schema import Config
from ecomgpt.eval.backends import Reply, Subject
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.task import EvalTask

if TYPE_CHECKING:
    import torch

    from ecomgpt.eval.decoding.generate import Decoding


LEAST_TOKENS, UNKNOWN_TOKENS, MOST_TOKENS = 1024, 8192, 32768
"""Keys that decoding holds at once: at least, of a model of unknown shape, at most."""


class Transformers:
    """Decodes with `ecomgpt.eval.decoding.generate`.

    Args:
        subject: The model.
    """

    shards = True

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.name = subject.name

    def answer(self, task: EvalTask, rows: Sequence[EvalRow]) -> Iterator[Reply]:
        from ecomgpt.eval.decoding.generate import answer

        model, tokenizer = self.loaded
        yield from answer(model, tokenizer, rows, self.decoding(task))

    def decoding(self, task: EvalTask) -> "Decoding":
        """The task's limits within those of the configuration."""
        from ecomgpt.eval.decoding.generate import Decoding

        settings = self.subject.config.eval
        most_prompt, most_new = limits(self.subject.config, task)
        return Decoding(
            max_new_tokens=most_new,
            max_prompt_tokens=most_prompt,
            batch_tokens=self.batch_tokens,
            beams=settings.beams,
            rank=settings.decoding == "rank",
        )

    def settings(self) -> dict[str, Any]:
        """In low precision scores move with the batches, so their size stands beside them."""
        settings = self.subject.config.eval
        return {
            "decoding": settings.decoding,
            "beams": settings.beams,
            "batch_tokens": self.batch_tokens,
            "max_prompt_tokens": settings.max_prompt_tokens,
            "max_new_tokens": settings.max_new_tokens,
            "dtype": str(number_format(self.subject.config)).removeprefix("torch."),
        }

    @cached_property
    def batch_tokens(self) -> int:
        """Tokens whose keys are held at once."""
        return batch_tokens(self.subject.config)

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """Model and tokenizer, on the device."""
        import torch

        from ecomgpt.model.loading import load_model, load_tokenizer, read_model, read_tokenizer
        from ecomgpt.run.machine import on_gpu

        config, folder = self.subject.config, self.subject.folder
        torch.set_grad_enabled(True)
        if folder:
            model, tokenizer = read_model(folder, number_format(self.subject.config)), read_tokenizer(folder)
        else:
            tokenizer = self.subject.tokenizer() if self.subject.tokenizer else load_tokenizer(config)
            model = load_model(config, tokenizer, number_format(self.subject.config))
        # Of several processes each has a device of its own.
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if on_gpu(config.trainer) else "cpu"
        placed: Any = model.to(device)  # type: ignore[arg-type]
        return placed.eval(), tokenizer


def batch_tokens(config: Config) -> int:
    """``eval.batch_tokens``, or how many tokens' keys and values an eighth of the device's memory holds.

    Of all memory and not of what is free: the same command must make the same batches. More than `MOST_TOKENS` gain little.
    """
    from ecomgpt.model.locate import shaped
    from ecomgpt.run.machine import machine

    model = shaped(config)
    if config.eval.batch_tokens is not None or not (model.layers and model.hidden_size):
        return config.eval.batch_tokens or UNKNOWN_TOKENS
    here = machine(config)
    memory = here.device_bytes / 8 / (1 if here.devices else config.trainer.devices)
    # A key and a value of the model's width in every block; heads that are shared take less.
    token = 2 * model.layers * model.hidden_size * number_format(config).itemsize
    # In whole steps, so that machines of almost the same memory make the same batches.
    return max(LEAST_TOKENS, min(MOST_TOKENS, int(memory / token) // LEAST_TOKENS * LEAST_TOKENS))


def limits(config: Config, task: EvalTask) -> tuple[int, int]:
    """Most tokens of a task's prompts and answers."""
    settings = config.eval
    most_new = min(task.max_new_tokens, settings.max_new_tokens or task.max_new_tokens)
    return task.max_prompt_tokens or settings.max_prompt_tokens, most_new


def number_format(config: Config) -> "torch.dtype":
    """The number format of decoding: that of training, but ``auto`` is float32 on every CPU, whatever training takes there: only
    then a text does not depend on the rows beside it, and an interrupted evaluation ends with the files of an uninterrupted one."""
    import torch

    from ecomgpt.run.machine import on_gpu
    from ecomgpt.strategy.precision import precision

    if config.trainer.precision == "auto" and not on_gpu(config.trainer):
        return torch.float32
    return {"b": torch.bfloat16, "1": torch.float16, "3": torch.float32}[
        precision(config.trainer, config.model.hidden_size)[0]
    ]


def make(subject: Subject) -> Transformers:
    """The backend of ``eval.backend=transformers``."""
    return Transformers(subject)
