"""Decoding: like plain `generate` row by row, whatever the company; what was cut; other architectures."""

from functools import partial
from typing import Any

import pytest
import torch
from support import llama

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import Config
from ecomgpt.eval.backends.transformers import number_format
from ecomgpt.eval.decoding import search, stream
from ecomgpt.eval.decoding.generate import Decoding, answer, encode, end_tokens, shared_prefix, text_of
from ecomgpt.eval.decoding.plain import batches, generate
from ecomgpt.eval.decoding.prepare import prepared, supports
from ecomgpt.eval.decoding.search import Beam, Greedy
from ecomgpt.eval.decoding.store import Store
from ecomgpt.eval.rows import EvalRow
from ecomgpt.strategy.precision import precision
from ecomgpt.tasks.prompt import Prompt

LABELS = ("Taste", "类目", "Delivery and service", "no")


def rows(count: int = 14) -> list[EvalRow]:
    texts = ["灰色羊毛毯" * (number % 5) + "sentence " * (number * 7 % 11) for number in range(count)]
    return [
        EvalRow(
            id=str(at),
            task="t",
            prompt=Prompt("Select ", text, "\n### Response:"),
            target="no",
            form="label",
            candidates=LABELS,
        )
        for at, text in enumerate(texts)
    ]


def decoded(model: Any, tokenizer: Any, asked: list[EvalRow] | None = None, **settings: Any) -> dict[str, str]:
    asked = rows() if asked is None else asked
    replies = list(answer(model, tokenizer, asked, Decoding(**settings)))
    assert sorted(reply.row for reply in replies) == list(range(len(asked)))
    return {asked[reply.row].id: reply.text for reply in replies}


def plain(model: Any, tokenizer: Any, beams: int, limit: int = 12) -> dict[str, str]:
    """transformers' own `generate`, row by row, with its defaults."""
    texts = {}
    for row in rows():
        ids = tokenizer(row.prompt.text, return_tensors="pt")
        output = model.generate(**ids, max_new_tokens=limit, num_beams=beams, do_sample=False)
        new = output[0, ids["input_ids"].shape[1] :].tolist()
        ends = end_tokens(model, tokenizer)
        new = next((new[:at] for at, token in enumerate(new) if token in ends), new)
        texts[row.id] = tokenizer.decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return texts


@pytest.fixture()
def early(model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> frozenset[int]:
    """A token that some answers hold early is an end too, so that rows end at different steps."""
    prompts = [tokenizer(row.prompt.text)["input_ids"] for row in rows()]
    end = generate(model, prompts, 12, 1, frozenset({2}), 3)[0][4]
    monkeypatch.setattr(model.generation_config, "eos_token_id", [2, end])
    assert end_tokens(model, tokenizer) == {2, end}
    return frozenset({2, end})


@pytest.mark.parametrize("beams", [1, 4])
def test_text_is_that_of_generate_whatever_the_company(model: Any, tokenizer: Any, early: Any, beams: int) -> None:
    expected = plain(model, tokenizer, beams)
    assert len(set(expected.values())) > 5, "the model must answer differently for the test to say anything"
    for batch_tokens in (32, 400, 100_000):
        assert decoded(model, tokenizer, max_new_tokens=12, batch_tokens=batch_tokens, beams=beams) == expected
    for asked in (rows()[::-1], rows()[3:4], rows()[1::3]):
        found = decoded(model, tokenizer, asked, max_new_tokens=12, beams=beams)
        assert found == {row.id: expected[row.id] for row in asked}


@pytest.mark.parametrize("beams", [1, 4])
def test_one_new_token(model: Any, tokenizer: Any, early: Any, beams: int) -> None:
    assert decoded(model, tokenizer, max_new_tokens=1, beams=beams) == plain(model, tokenizer, beams, limit=1)


def test_rows_that_end_make_room(model: Any, tokenizer: Any, early: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    step = Store.step
    monkeypatch.setattr(stream, "SHRINK", 0)
    monkeypatch.setattr(Store, "step", lambda self, *beams: (used.append(self.used), step(self, *beams))[1])
    prompts = [tokenizer("Select " + "sentence " * 8)["input_ids"] for _ in range(4)] + [
        tokenizer(row.prompt.text)["input_ids"] for row in rows() if row.text
    ]
    longest = max(map(len, prompts))
    found = dict(stream.decode(model, prompts, lambda: Greedy(12, early), 12, 4 * (longest + 12)))
    assert [found[at] for at in range(len(prompts))] == [generate(model, [one], 12, 1, early, 3)[0] for one in prompts]
    assert max(used) == 4 and min(used) < 4
    # A step for every four tokens that follow a first one, but for the last rows; rows that wait would take more.
    steps = [min(len(found[at]), 11) for at in sorted(found, key=lambda at: -len(prompts[at]))]
    assert sum(steps) / 4 <= len(used) <= sum(max(steps[at : at + 4]) for at in range(0, len(steps), 4))


def test_close_choices_are_made_alone(model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {beams: plain(model, tokenizer, beams) for beams in (1, 3)}
    monkeypatch.setattr(search, "CLOSE", 1e9)
    slots: list[int] = []
    init = Store.__init__
    monkeypatch.setattr(
        Store,
        "__init__",
        lambda self, model, slots_, *rest: (slots.append(slots_), init(self, model, slots_, *rest))[1],
    )
    for beams in (1, 3):
        slots.clear()
        assert decoded(model, tokenizer, max_new_tokens=12, beams=beams) == expected[beams]
        assert slots.count(1) >= len(rows()) and max(slots) > 1


def test_searches_notice_close_choices() -> None:
    ends = frozenset({9})
    greedy = Greedy(5, ends)
    greedy.advance([[2.0, 1.0]], [[4, 5]])
    assert not greedy.close
    greedy.advance([[2.0, 2.0 - search.CLOSE / 2]], [[4, 5]])
    assert greedy.close
    for second, close in ((-2.0, False), (-1.0 - search.CLOSE / 2, True)):
        beam = Beam(1, 5, ends)
        beam.advance([[-1.0, second]], [[4, 5]])
        assert beam.close is close


def test_a_beam_scores_the_mean_of_its_tokens() -> None:
    """Ends with -1 after one token; -1.2 over two tokens is better by the mean, -0.6."""
    beam = Beam(1, 4, frozenset({9}))
    assert beam.advance([[-0.5, -1.0]], [[4, 9]]) == [(0, 4)] and not beam.finished
    assert beam.advance([[-0.7, -3.0]], [[9, 5]]) == []
    assert beam.finished == [(-0.6, [4])] and beam.output == [4]


def test_the_model_is_left_as_it_was(model: Any, tokenizer: Any) -> None:
    before = [type(module) for module in model.modules()], model.config._attn_implementation
    model.train()
    with pytest.raises(KeyError), prepared(model):
        assert not model.training
        raise KeyError
    assert model.training
    model.eval()
    assert ([type(module) for module in model.modules()], model.config._attn_implementation) == before


@pytest.mark.parametrize("beams", [1, 3])
def test_other_architectures_are_decoded_by_transformers(tokenizer: Any, beams: int) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(1)
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}
    other = GPT2LMHeadModel(
        GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=len(tokenizer), initializer_range=0.4, **ids)
    ).eval()
    assert not supports(other)
    expected = plain(other, tokenizer, beams)
    for batch_tokens in (32, 100_000):
        assert decoded(other, tokenizer, max_new_tokens=12, batch_tokens=batch_tokens, beams=beams) == expected


def test_sliding_windows_are_not_known() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    small = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 32,
    }
    assert not supports(MistralForCausalLM(MistralConfig(sliding_window=8, vocab_size=64, **small)))
    assert supports(MistralForCausalLM(MistralConfig(sliding_window=None, vocab_size=64, **small)))


@pytest.mark.parametrize("beams", [1, 4])
def test_heads_that_share_keys(tokenizer: Any, beams: int) -> None:
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}
    grouped = llama(len(tokenizer), seed=2, initializer_range=0.4, **ids).eval()
    assert decoded(grouped, tokenizer, max_new_tokens=12, beams=beams) == plain(grouped, tokenizer, beams)


def test_low_precision_decodes(model: Any, tokenizer: Any) -> None:
    import copy

    half = copy.deepcopy(model).to(torch.bfloat16)
    assert len(decoded(half, tokenizer, max_new_tokens=6, beams=2)) == len(rows())


def test_batches_keep_to_the_budget_and_lose_nothing(tokenizer: Any) -> None:
    prompts = [one.ids for one in encode(tokenizer, rows(40), 800)]
    found = list(batches(prompts, 20, 2, 500))
    assert sorted(at for batch in found for at in batch) == list(range(40))
    for batch in found:
        assert len(batch) == 1 or len(batch) * 2 * (max(len(prompts[at]) for at in batch) + 20) <= 500


def test_shorter_rows_get_more_slots(model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    resize = Store.resize
    monkeypatch.setattr(
        Store, "resize", lambda self, *size: (sizes.append((self.slots, self.capacity, *size)), resize(self, *size))[1]
    )
    prompts = [
        tokenizer("Select " + "sentence " * count)["input_ids"]
        for count in (60, 58, 40, 30, 8, 7, 7, 6, 6, 5, 5, 4, 3, 2, 1)
    ]
    ends = frozenset({2})
    prefix = tokenizer("Select")["input_ids"]
    for beams in (1, 3):
        sizes.clear()
        found = dict(
            stream.decode(
                model, prompts, partial(Beam, beams, 8, ends) if beams > 1 else partial(Greedy, 8, ends), 8, 700, prefix
            )
        )
        assert [found[at] for at in range(len(prompts))] == [
            generate(model, [one], 8, beams, ends, 3)[0] for one in prompts
        ]
        assert sizes and all(slots < more and capacity > smaller for slots, capacity, more, smaller in sizes)
        assert all(slots * capacity <= 700 or slots == 1 for *_, slots, capacity in sizes)


def test_only_the_input_is_cut_and_counted(tokenizer: Any) -> None:
    encoded = encode(tokenizer, rows(), 40)
    assert any(one.cut for one in encoded)
    for one in encoded:
        text = tokenizer.decode(one.ids)
        assert len(one.ids) <= 40 and text.startswith("Select ") and text.endswith("\n### Response:")
    with pytest.raises(UserError, match="max_prompt_tokens"):
        encode(tokenizer, rows(), 3)


def test_the_shared_prefix_does_not_depend_on_the_rows_that_are_asked(tokenizer: Any) -> None:
    head = shared_prefix(tokenizer, rows(), encode(tokenizer, rows(), 800))
    assert head and tokenizer.decode(head) == "Select"
    same = [rows()[1], rows()[6]]
    assert shared_prefix(tokenizer, same, encode(tokenizer, same, 800)) == head
    other = [*rows(), EvalRow(id="x", task="t", prompt=Prompt("Name ", "it", ""), target="")]
    assert shared_prefix(tokenizer, other, encode(tokenizer, other, 800)) == []


def test_text_is_not_repaired(tokenizer: Any) -> None:
    raw = "a , b n't 灰 "
    assert text_of(tokenizer, tokenizer(raw)["input_ids"] + [2]) == raw


@pytest.mark.parametrize(
    ("asked", "expected"), [("auto", torch.float32), ("bf16-mixed", torch.bfloat16), ("fp32", torch.float32)]
)
def test_a_cpu_that_trains_in_bfloat16_decodes_in_float32(
    asked: str, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)
    config = Config()
    config.model.hidden_size, config.trainer.precision, config.trainer.accelerator = 1024, asked, "cpu"
    assert number_format(config) == expected
    assert (precision(config.trainer, config.model.hidden_size) == "32-true") == (asked == "fp32")
