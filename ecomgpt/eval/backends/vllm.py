"""Greedy decoding with vLLM, through its public interface, from a folder of merged weights."""

import importlib.util
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.eval.backends import ModelSpec, Reply
from ecomgpt.eval.backends.transformers import decoding_settings, dtype_name, limits
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.task import EvalTask

AT_ONCE = 512
"""Rows given to vLLM at once: enough to keep it busy, few enough to lose little when an evaluation is interrupted."""


class Vllm:
    """Answers with an engine on ``trainer.devices`` GPUs.

    Args:
        spec: The model.
    """

    shards = False  # vLLM spreads the model, not the rows.

    def __init__(self, spec: ModelSpec) -> None:
        self.spec, self.config, self.name = spec, spec.config, spec.name

    def answer(self, task: EvalTask, rows: Sequence[EvalRow]) -> Iterator[Reply]:
        """See `ecomgpt.eval.backends.Backend`."""
        from vllm import SamplingParams

        from ecomgpt.eval.decoding.generate import encode, text_of

        engine, tokenizer = self.loaded
        most_prompt, most_new = limits(self.config.eval, task)
        encoded = encode(tokenizer, rows, most_prompt)
        ends = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
        sampling = SamplingParams(temperature=0.0, max_tokens=most_new, stop_token_ids=ends)
        for start in range(0, len(encoded), AT_ONCE):
            batch = encoded[start : start + AT_ONCE]
            outputs = engine.generate([{"prompt_token_ids": one.ids} for one in batch], sampling, use_tqdm=False)
            for one, output in zip(batch, outputs, strict=True):
                tokens = list(output.outputs[0].token_ids)
                yield Reply(one.index, text_of(tokenizer, tokens[:-1] if tokens[-1:] == ends else tokens), one.cut)

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
        """See `ecomgpt.eval.backends.Backend`."""
        return {"backend": f"vllm {version('vllm')}", **decoding_settings(self.config)}

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """Engine and tokenizer."""
        from vllm import LLM

        from ecomgpt.model.loading import load_tokenizer, read_tokenizer
        from ecomgpt.model.locate import require_weights

        config, folder = self.config, self.spec.folder
        source = (config.model, config.paths.models)
        path = str(folder or require_weights(*source))
        tokenizer = read_tokenizer(folder) if folder else load_tokenizer(*source)
        engine = LLM(
            model=path,
            tokenizer=path,
            revision=None if folder else config.model.revision,
            trust_remote_code=False,
            dtype=dtype_name(config),
            seed=config.seed,
            tensor_parallel_size=config.trainer.devices,
        )
        return engine, tokenizer


def make(spec: ModelSpec) -> Vllm:
    """The backend of ``eval.backend=vllm``.

    Raises:
        UserError: If vLLM is not installed, or can't do what the configuration asks for.
    """
    config = spec.config
    problems = []
    if importlib.util.find_spec("vllm") is None:
        problems.append(
            "eval.backend=vllm needs vllm, which is not installed: pip install vllm, or use eval.backend=transformers"
        )
    if config.eval.beams > 1 or config.eval.decoding == "rank":
        problems.append(
            "eval.backend=vllm decodes greedily; for beams and eval.decoding=rank use eval.backend=transformers"
        )
    if spec.folder is None and (config.model.source == "build" or config.model.gguf_file):
        problems.append(
            f"eval.backend=vllm takes a folder of weights, which model={config.model.name} has not; "
            "use eval.backend=transformers"
        )
    if problems:
        raise UserError(*problems)
    return Vllm(spec)
