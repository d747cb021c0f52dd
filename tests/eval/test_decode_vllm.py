"""The vLLM backend against a module with vLLM's interface, behind which `generate` answers."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import Config
from ecomgpt.eval.backends import ModelSpec, backend
from ecomgpt.eval.decoding.generate import Decoding, answer
from ecomgpt.eval.decoding.plain import generate
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.task import EvalTask
from ecomgpt.tasks.prompt import Prompt

TASK = EvalTask(name="t", title="t", language="en", family="review_topic", dataset="d", folder="x", max_new_tokens=7)
ROWS = [
    EvalRow(id=str(at), task="t", prompt=Prompt("Select ", "灰色 sentence " * at, "\n### Response:"), target="")
    for at in range(5)
]


def config(**eval_: Any) -> Config:
    made = Config()
    made.eval.backend, made.trainer.precision, made.trainer.devices, made.seed = "vllm", "fp32", 2, 5
    for key, value in eval_.items():
        setattr(made.eval, key, value)
    return made


@pytest.fixture()
def fake(monkeypatch: pytest.MonkeyPatch, model: Any) -> dict[str, Any]:
    """``vllm`` as far as the backend uses it; remembers what it was told."""
    told: dict[str, Any] = {}

    class LLM:
        def __init__(self, **arguments: Any) -> None:
            told.update(arguments)

        def generate(
            self, prompts: list[dict[str, list[int]]], sampling_params: Any, use_tqdm: bool = True
        ) -> list[Any]:
            assert sampling_params.temperature == 0.0
            ends = frozenset(sampling_params.stop_token_ids)
            outputs = []
            for prompt in prompts:
                tokens = generate(model, [prompt["prompt_token_ids"]], sampling_params.max_tokens, 1, ends, 3)[0]
                if len(tokens) < sampling_params.max_tokens:
                    tokens = [*tokens, *ends]  # vLLM counts the end as a token of the answer.
                outputs.append(SimpleNamespace(outputs=[SimpleNamespace(token_ids=tuple(tokens))]))
            return outputs

    module = ModuleType("vllm")
    module.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    module.LLM, module.SamplingParams = LLM, lambda **values: SimpleNamespace(**values)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0")
    return told


def test_answers_are_those_of_the_transformers_backend(
    fake: dict[str, Any], model: Any, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    monkeypatch.setattr("ecomgpt.eval.backends.vllm.AT_ONCE", 2)
    found = backend(ModelSpec(config(max_prompt_tokens=32), tmp_path))
    replies = list(found.answer(TASK, ROWS))
    assert sorted(replies) == sorted(answer(model, tokenizer, ROWS, Decoding(7, 32)))
    assert any(reply.cut for reply in replies)
    expected = {
        "model": str(tmp_path),
        "dtype": "float32",
        "seed": 5,
        "tensor_parallel_size": 2,
        "trust_remote_code": False,
    }
    assert fake | expected == fake
    assert found.settings()["backend"] == "vllm 0.0" and not found.shards


def test_what_vllm_cannot_do_is_told_at_once(fake: dict[str, Any], tmp_path: Path) -> None:
    for settings in ({"beams": 4}, {"decoding": "rank"}):
        with pytest.raises(UserError, match=r"eval\.backend=transformers"):
            backend(ModelSpec(config(**settings), tmp_path))
    packed = config()
    packed.model.gguf_file = "x.gguf"
    with pytest.raises(UserError, match="folder of weights"):
        backend(ModelSpec(packed))


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is installed")
def test_its_absence_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pip install vllm"):
        backend(ModelSpec(config(), tmp_path))
