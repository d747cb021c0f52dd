"""What a sharding strategy takes as one unit."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM

from ecomgpt.config.schema import Config, StrategyConfig, TrainerConfig
from ecomgpt.model.network import Network
from ecomgpt.strategy.registry import strategy_of

SHAPE = {"vocab_size": 50, "hidden_size": 16, "num_attention_heads": 2}


@pytest.mark.parametrize("kind", ["bloom", "llama"])
def test_fsdp_shards_each_block_and_then_the_rest(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest alone would train just the same, and gather the whole model at once."""
    model: Any
    with torch.device("meta"):
        if kind == "bloom":
            model = BloomForCausalLM(BloomConfig(**SHAPE, n_layer=3))
        else:
            model = LlamaForCausalLM(LlamaConfig(**SHAPE, num_hidden_layers=3, intermediate_size=16))
    network = Network(model)
    units: list[Any] = []
    monkeypatch.setattr("torch.distributed.fsdp.fully_shard", lambda part, **settings: units.append(part))
    config = Config(trainer=TrainerConfig(precision="fp32", accelerator="cpu"))
    module = SimpleNamespace(network=network, language_model=model, device_mesh={"data_parallel": None}, config=config)
    strategy_of(StrategyConfig(name="fsdp", kind="fsdp")).shard(module)
    inner = model.transformer.h if kind == "bloom" else model.model.layers
    assert units == [*inner, network]
