"""What is exported is what was trained: models, adapters, shards, cards; and what is uploaded is what was exported."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import support
import torch
from hub_server import Hub, serve
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BloomForCausalLM, PreTrainedModel

import ecomgpt.model.export as exporting
from ecomgpt.common.errors import JobFailure, UserError
from ecomgpt.config.schema import Config, DataConfig, ModelConfig, PathsConfig, TuningConfig
from ecomgpt.model.export import export, export_adapter
from ecomgpt.model.hub import push
from ecomgpt.model.tokenizer import train, wrap
from ecomgpt.model.verify import logits
from ecomgpt.runtime.directory import Run
from ecomgpt.tuning.apply import apply_tuning

TOKENIZER = wrap(train(["The kettle boils fast and looks good.", "这款水壶烧水很快，外观也好看。"] * 3, 500))


def bloom(seed: int = 0) -> BloomForCausalLM:
    return support.bloom(len(TOKENIZER), heads=2, seed=seed)


def settings(tuning: str = "full", **model: Any) -> Config:
    made = {"name": "bloom_tiny", "source": "build", **model}
    return Config(
        model=ModelConfig(**made),
        data=DataConfig(name="full_cot"),
        tuning=TuningConfig(name=tuning, rank=4),
        paths=PathsConfig(),
    )


def adapted(seed: int = 0) -> PreTrainedModel:
    model = apply_tuning(bloom(), settings("lora").tuning)
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return model


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run directory with a manifest, an environment and scores."""
    made = Run(tmp_path / "run")
    made.manifest_file.parent.mkdir(parents=True)
    task = {"name": "mams_absa.polarity", "language": "en", "kind": "raw", "examples": 5, "tokens": 900}
    manifest = {
        "examples": 5,
        "tokens": 900,
        "fingerprint": "abc",
        "tasks": [task],
        "sources": {"mams_absa": {}, "own_shop": {}},
    }
    made.manifest_file.write_text(
        json.dumps({**manifest, "contamination": {"checked_against": "held_out", "removed": 3}})
    )
    (made.path / "environment.json").write_text(
        json.dumps({"command": "python -m ecomgpt name=run", "git_commit": "f00"})
    )
    score = {"value": 0.8123, "low": 0.75, "high": 0.875}
    made.metrics_file.write_text(
        json.dumps(
            {
                "tasks": {"en-demo": {"n": 40, "metrics": {"micro_f1": score, "released_micro_f1": score}}},
                "settings": {"suite": "demo"},
            }
        )
    )
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_whole_model(run: Run, dtype: torch.dtype) -> None:
    trained = bloom(seed=1)
    folder = export(bloom(), trained.state_dict(), TOKENIZER, run, settings(), dtype)
    again: Any = AutoModelForCausalLM.from_pretrained(folder)
    assert (
        again.dtype == dtype and again.lm_head.weight.data_ptr() == again.transformer.word_embeddings.weight.data_ptr()
    )
    for ours, theirs in zip(logits(trained, TOKENIZER), logits(again.float(), TOKENIZER), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-5 if dtype == torch.float32 else 0.1)
    assert (folder / "generation_config.json").is_file() and AutoTokenizer.from_pretrained(
        folder
    ).eos_token == TOKENIZER.eos_token
    assert not any("lm_head" in name for name in load_file(folder / "model.safetensors"))


def test_shards_and_an_index(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "SHARD", "30KB")
    folder = export(bloom(), bloom(1).state_dict(), TOKENIZER, run, settings())
    assert len(list(folder.glob("model-*.safetensors"))) > 2 and (folder / "model.safetensors.index.json").is_file()


def test_the_card_tells_how_the_model_came_to_be(run: Run) -> None:
    model = settings(path="bigscience/bloomz-560m", source="load", licence="bigscience-bloom-rail-1.0")
    folder = export(bloom(), bloom(1).state_dict(), TOKENIZER, run, model)
    card = (folder / "README.md").read_text(encoding="utf-8")
    front = card.split("---\n")[1]
    for line in (
        "license: bigscience-bloom-rail-1.0",
        "base_model: bigscience/bloomz-560m",
        "library_name: transformers",
    ):
        assert line in front.split("\n")
    for part in (
        "`python -m ecomgpt name=run`",
        "fingerprint `abc`",
        "| en-demo | 40 | micro_f1 | – | 81.2 [75.0, 87.5] | – | – |",
        "| mams_absa.polarity | en | raw | 5 | 900 |",
        "3 examples that held",
        "- own_shop: not stated",
    ):
        assert part in card
    assert "- MAMS" in card and "released_" not in card


def test_an_export_that_says_something_else_fails_and_leaves_the_old_one(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = export(bloom(), bloom(1).state_dict(), TOKENIZER, run, settings())
    before = (folder / "model.safetensors").read_bytes()
    save = BloomForCausalLM.save_pretrained

    def spoil(model: BloomForCausalLM, target: Path, **kwargs: object) -> None:
        save(model, target, **kwargs)
        weights = load_file(target / "model.safetensors")
        weights["transformer.h.1.mlp.dense_h_to_4h.weight"][0, 0] += 3
        save_file(weights, target / "model.safetensors", metadata={"format": "pt"})

    monkeypatch.setattr(BloomForCausalLM, "save_pretrained", spoil)
    for available in (10**12, 0):
        monkeypatch.setattr(
            "psutil.virtual_memory", lambda available=available: type("Memory", (), {"available": available})
        )
        with pytest.raises(JobFailure, match="other logits" if available else "another transformer.h.1.mlp"):
            export(bloom(), bloom(2).state_dict(), TOKENIZER, run, settings())
    assert (folder / "model.safetensors").read_bytes() == before
    assert [path.name for path in run.path.iterdir() if path.name.startswith(".")] == []


def test_adapters_are_merged(run: Run) -> None:
    model = adapted()
    expected = logits(model, TOKENIZER)
    folder = export(model, dict(model.state_dict()), TOKENIZER, run, settings("lora"))
    again = AutoModelForCausalLM.from_pretrained(folder)
    for ours, theirs in zip(expected, logits(again, TOKENIZER), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-5)


def test_adapters_alone_load_with_peft(run: Run) -> None:
    model = adapted()
    weights, expected = {name: value.clone() for name, value in model.state_dict().items()}, logits(model, TOKENIZER)
    folder = export_adapter(adapted(seed=5), bloom(), weights, TOKENIZER, run, settings("lora"))
    assert {path.name for path in folder.iterdir()} >= {
        "adapter_model.safetensors",
        "adapter_config.json",
        "tokenizer.json",
        "README.md",
        "backbone",
    }
    base = AutoModelForCausalLM.from_pretrained(folder / "backbone")
    plain = logits(base, TOKENIZER)
    again = logits(PeftModel.from_pretrained(base, folder), TOKENIZER)
    for ours, theirs, without in zip(expected, again, plain, strict=True):
        torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-5)
        assert (theirs - without).abs().max() > 1e-2
    # The folder's own configuration leads to the backbone beside it.
    assert AutoModelForCausalLM.from_pretrained(folder).config.hidden_size == 32
    assert "library_name: peft" in (folder / "README.md").read_text()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield hub


def test_the_hub_gets_the_folder_as_it_is(run: Run, hub: Hub) -> None:
    folder = export(bloom(), bloom(1).state_dict(), TOKENIZER, run, settings())
    assert push(folder, "owner/name") == f"{hub.url}/owner/name"
    assert hub.files == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    # Older and newer clients' words for it.
    assert hub.created[0].get("private") is True or hub.created[0].get("visibility") == "private"
    assert hub.tokens == {"Bearer hf_secretsecret"}
    assert not any(b"hf_secret" in path.read_bytes() for path in run.path.rglob("*") if path.is_file())


def test_a_hub_that_refuses_and_a_missing_token_are_told(run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.path / "model").mkdir()
    hub.refuse = 403
    with pytest.raises(UserError, match=r"push_to=owner/name: .* refused"):
        push(run.model, "owner/name")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="can't be reached"):
        push(run.model, "owner/name")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UserError, match="no token; set HF_TOKEN"):
        push(run.model, "owner/name")
