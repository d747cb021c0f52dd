"""The contenders of the training benchmark train the same model on the same steps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from ecomgpt.data.store import Examples, TokenWriter

BENCHMARKS = Path(__file__).parents[2] / "experiments" / "benchmarks"


def bloom() -> BloomForCausalLM:
    torch.manual_seed(0)
    shape = {"vocab_size": 300, "hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.1}
    return BloomForCausalLM(BloomConfig(**shape, hidden_dropout=0.0, attention_dropout=0.0))


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    return LlamaForCausalLM(LlamaConfig(vocab_size=300, tie_word_embeddings=True, initializer_range=0.1, **shape))


@pytest.mark.parametrize("make", [bloom, llama])
def test_ours_has_the_losses_of_transformers_trainer(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accumulation, clipping and AdamW of both, from the first step to one after three updates."""
    pytest.importorskip("accelerate", reason="transformers.Trainer needs it: pip install 'ecomgpt[bench]'")
    monkeypatch.syspath_prepend(BENCHMARKS)
    import bench_contenders

    monkeypatch.setattr(bench_contenders, "LEARNING_RATE", 1e-3)
    generator = np.random.default_rng(0)
    with TokenWriter(tmp_path) as writer:
        for number in range(32):
            prompt, answer = generator.integers(4, 300, int(generator.integers(3, 60))), int(generator.integers(1, 8))
            writer.add([*prompt.tolist(), *prompt[:answer].tolist(), 2], len(prompt), 0, number)
    examples, steps = Examples(tmp_path), np.arange(32).reshape(4, 8).tolist()
    curves = []
    for train in (bench_contenders.ours, bench_contenders.hugging_face("transformers", 4)):
        model: PreTrainedModel = make()
        curves.append([step["loss"] for step in train(model, examples, steps, "float32", tmp_path / "out")])
    assert len(curves[0]) == 4 and max(curves[0]) - min(curves[0]) > 0.05
    np.testing.assert_allclose(*curves, rtol=0, atol=1e-4)
