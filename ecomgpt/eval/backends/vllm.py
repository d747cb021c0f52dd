"""Greedy decoding with vLLM, through its public interface. It takes a folder of merged weights; prompts are ours, token by token."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.eval.backends import Reply, Subject
from ecomgpt.eval.backends.transformers import limits, number_format
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.task import EvalTask

AT_ONCE = 512
"""Rows that vLLM is given at once: enough to keep it busy, few enough to lose little when an evaluation is interrupted."""


class Vllm:
    """Answers with an engine of its own on ``trainer.devices`` GPUs.

    Args:
        subject: The model.
    """

    shards = False  # vLLM spreads the model, not the rows.

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.name = subject.name

    def answer(self, task: EvalTask, rows: Sequence[EvalRow]) -> Iterator[Reply]:
        from vllm import SamplingParams

        from ecomgpt.eval.decoding.generate import encode, text_of

        engine, tokenizer = self.loaded
        most_prompt, most_new = limits(self.subject.config, task)
        encoded = encode(tokenizer, rows, most_prompt)
        ends = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
        sampling = SamplingParams(temperature=0.0, max_tokens=most_new, stop_token_ids=ends)
        for start in range(0, len(encoded), AT_ONCE):
            asked = encoded[start : start + AT_ONCE]
            outputs = engine.generate([{"prompt_token_ids": one.ids} for one in asked], sampling, use_tqdm=False)
            for one, output in zip(asked, outputs, strict=True):
                tokens = list(output.outputs[0].token_ids)
                yield Reply(one.index, text_of(tokenizer, tokens[:-1] if tokens[-1:] == ends else tokens), one.cut)

    def settings(self) -> dict[str, Any]:
        from importlib.metadata import version

        settings = self.subject.config.eval
        return {
            "backend": f"vllm {version('vllm')}",
            "decoding": settings.decoding,
            "beams": settings.beams,
            "max_prompt_tokens": settings.max_prompt_tokens,
            "max_new_tokens": settings.max_new_tokens,
            "dtype": str(number_format(self.subject.config)).removeprefix("torch."),
        }

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """Engine and tokenizer."""
        from vllm import LLM

        from ecomgpt.model.loading import load_tokenizer, read_tokenizer
        from ecomgpt.model.locate import require_weights

        config, folder = self.subject.config, self.subject.folder
        path = str(folder) if folder else require_weights(config)
        tokenizer = read_tokenizer(folder) if folder else load_tokenizer(config)
        engine = LLM(
            model=path,
            tokenizer=path,
            revision=None if folder else config.model.revision,
            trust_remote_code=False,
            dtype=str(number_format(config)).removeprefix("torch."),
            seed=config.seed,
            tensor_parallel_size=config.trainer.devices,
        )
        return engine, tokenizer


def make(subject: Subject) -> Vllm:
    """The backend of ``eval.backend=vllm``.

    Raises:
        UserError: If vLLM is not installed, or can't do what is asked.
    """
    import importlib.util

    config = subject.config
    problems = []
    if importlib.util.find_spec("vllm") is None:
        problems.append(
            "eval.backend=vllm needs vllm, which is not installed: pip install vllm, or use eval.backend=transformers"
        )
    if config.eval.beams > 1 or config.eval.decoding == "rank":
        problems.append(
            "eval.backend=vllm decodes greedily; for beams and eval.decoding=rank use eval.backend=transformers"
        )
    if subject.folder is None and (config.model.source == "build" or config.model.gguf_file):
        problems.append(
            f"eval.backend=vllm takes a folder of weights, which model={config.model.name} has not; use eval.backend=transformers"
        )
    if problems:
        raise UserError(*problems)
    return Vllm(subject)
