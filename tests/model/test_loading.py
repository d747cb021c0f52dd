"""Backbones from files: what is loaded can be trained and written again."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from ecomgpt.config.schema import ModelConfig
from ecomgpt.model.loading import load_model
from ecomgpt.model.tokenizer import train, wrap

gguf = pytest.importorskip("gguf", reason="the package gguf writes the file that this test reads")
WIDTH, HEADS, INNER = 32, 2, 64


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return wrap(train(["The kettle boils fast and looks good."] * 3, 300))


def written(path: Path, vocabulary: int) -> LlamaForCausalLM:
    """A small Llama with random weights, and the same as a GGUF file."""
    torch.manual_seed(0)
    shape = {
        "vocab_size": vocabulary,
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": 1,
        "num_attention_heads": HEADS,
    }
    model = LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=False, rms_norm_eps=1e-5))
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocabulary)
    short = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}
    short |= {"gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down", "input_layernorm": "attn_norm"}
    short |= {
        "post_attention_layernorm": "ffn_norm",
        "embed_tokens": "token_embd",
        "lm_head": "output",
        "norm": "output_norm",
    }
    for name, weight in model.state_dict().items():
        *_, module, _ = name.split(".")
        if module in ("q_proj", "k_proj"):  # GGUF stores the halves of a head's rows in turns
            weight = weight.view(HEADS, 2, WIDTH // HEADS // 2, WIDTH).transpose(1, 2).reshape(WIDTH, WIDTH)
        block = "blk.0." if ".layers." in name else ""
        writer.add_tensor(f"{block}{short[module]}.weight", weight.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def test_a_gguf_file_gives_plain_weights_that_can_be_trained_and_saved(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    original = written(tmp_path / "small.gguf", len(tokenizer))
    model = load_model(
        ModelConfig(name="small", path=str(tmp_path), gguf_file="small.gguf", family="llama"), "models", tokenizer, 1
    )
    ids = torch.arange(2, 40)[None]
    loss = model(ids, labels=ids).loss
    torch.testing.assert_close(loss, original(ids, labels=ids).loss)
    loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())
    model.save_pretrained(tmp_path / "saved")
    again = LlamaForCausalLM.from_pretrained(tmp_path / "saved")
    assert not hasattr(again.config, "quantization_config")
    torch.testing.assert_close(again(ids).logits, original(ids).logits)
