"""Weights in Hugging Face format on disk: found, measured, trained, adapted, exported, read by transformers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BloomConfig, BloomForCausalLM

from ecomgpt.config.schema import Config, ModelConfig, PathsConfig, TuningConfig
from ecomgpt.model.export import materialised
from ecomgpt.model.locate import with_shape_from_config
from ecomgpt.model.tokenizer import train, wrap
from ecomgpt.tuning.apply import apply_tuning

TEXTS = ["The kettle boils fast and looks good.", "这款水壶烧水很快，外观也好看。"] * 3


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BLOOM as another program would have saved it."""
    folder = tmp_path_factory.mktemp("bloom")
    tokenizer = wrap(train(TEXTS, 500))
    torch.manual_seed(0)
    # More rows than tokens, as in the released BLOOM.
    shape = BloomConfig(
        vocab_size=len(tokenizer) + 60,
        hidden_size=32,
        n_layer=2,
        n_head=2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
    )
    BloomForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def config(path: Path | str, **model: Any) -> Config:
    return Config(
        model=ModelConfig(
            name="bloomz_560m", path=str(path), hidden_size=1024, layers=24, heads=16, vocabulary=250880, **model
        ),
        paths=PathsConfig(),
    )


def test_the_shape_is_that_of_the_folder(weights: Path, tmp_path: Path) -> None:
    found = with_shape_from_config(config(weights).model, "models")
    vocabulary = json.loads((weights / "config.json").read_text())["vocab_size"]
    assert (found.hidden_size, found.layers, found.heads, found.vocabulary) == (32, 2, 2, vocabulary)
    assert with_shape_from_config(config(tmp_path / "absent").model, "models").hidden_size == 1024
    (tmp_path / "config.json").write_text("{ torn")
    assert with_shape_from_config(config(tmp_path).model, "models").hidden_size == 1024


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_a_folder_is_trained_and_exported(weights: Path, tmp_path: Path, tuning: str) -> None:
    command = (
        f"model=bloomz_560m model.path={weights} sources=demo sources.options.demo_store.products=12 tuning={tuning} "
        "data.tasks=[product_category,intent_of_text] data.max_length=512 "
        "trainer.max_steps=3 trainer.batch_tokens=1024 trainer.learning_rate=0.01 "
        "eval=demo eval.limit=2 eval.tasks=[en-demo-product_category] "
        f"name=run paths.cache={tmp_path / 'cache'}"
    ).split()
    done = subprocess.run(
        [sys.executable, "-m", "ecomgpt", *command], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for noise in ("Writing model shards", "Setting accelerator", "Warning"):
        assert noise not in done.stdout + done.stderr
    folder = tmp_path / "outputs" / "run" / "model"
    assert not [path for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth")]
    before: Any
    after: Any
    before, after = (AutoModelForCausalLM.from_pretrained(path) for path in (weights, folder))
    assert list(before.state_dict()) == list(after.state_dict())
    assert after.lm_head.weight.data_ptr() == after.transformer.word_embeddings.weight.data_ptr()
    ids = AutoTokenizer.from_pretrained(folder)(TEXTS[0], return_tensors="pt")["input_ids"]
    assert (before(ids).logits - after(ids).logits).abs().max() > 1e-3
    assert (after.config.eos_token_id, after.generation_config.eos_token_id) == (2, 2)


def test_merged_adapters_give_the_same_logits(weights: Path) -> None:
    tuning = TuningConfig(name="lora", rank=4)
    model = apply_tuning(AutoModelForCausalLM.from_pretrained(weights), tuning).eval()
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert trained and all("lora_" in name for name in trained)
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    ids = torch.arange(4, 40)[None]
    with torch.no_grad():
        adapted = model(ids).logits
        plain = materialised(model, dict(model.state_dict()), tuning)
        assert not any("lora" in name for name in plain.state_dict())
        torch.testing.assert_close(plain(ids).logits, adapted, rtol=0, atol=1e-5)
        assert (adapted - AutoModelForCausalLM.from_pretrained(weights)(ids).logits).abs().max() > 1e-2
