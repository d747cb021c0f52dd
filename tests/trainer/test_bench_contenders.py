"""The contenders of the training benchmark train the same model on the same steps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import bloom, llama
from transformers import PreTrainedModel

from ecomgpt.data.store import Examples, TokenWriter

BENCHMARKS = Path(__file__).parents[2] / "experiments" / "benchmarks"


@pytest.mark.parametrize("make", [bloom, lambda: llama(tie_word_embeddings=True)], ids=["bloom", "llama"])
def test_ours_has_the_losses_of_transformers_trainer(
    make: Callable[[], PreTrainedModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    theirs, ours = curves
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-4)
