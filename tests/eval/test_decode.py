"""Decoding: like plain `generate` row by row, whatever the batches; ranking; what was cut."""

from typing import Any

import pytest
import torch

from ecomgpt.errors import UserError
from ecomgpt.eval.decode import Decoding, answer, batches, encode, end_tokens, greedy, text_of
from ecomgpt.eval.rank import likelihoods
from ecomgpt.eval.rows import EvalRow
from ecomgpt.tasks.prompt import Prompt


def rows(count: int = 14) -> list[EvalRow]:
    texts = ["灰色羊毛毯" * (number % 5) + "sentence " * (number * 7 % 11) for number in range(count)]
    labels = ("Taste", "类目", "Delivery and service", "no")
    return [
        EvalRow(
            id=str(at),
            task="t",
            prompt=Prompt("Select ", text, "\n### Response:"),
            target="no",
            form="label",
            candidates=labels,
        )
        for at, text in enumerate(texts)
    ]


def decoded(model: Any, tokenizer: Any, **settings: Any) -> list[str]:
    found = {at: text for at, text, _ in answer(model, tokenizer, rows(), Decoding(**settings))}
    return [found[at] for at in range(len(rows()))]


def plain(model: Any, tokenizer: Any, beams: int) -> list[str]:
    texts = []
    for row in rows():
        ids = tokenizer(row.prompt.text, return_tensors="pt")
        output = model.generate(**ids, max_new_tokens=12, num_beams=beams, do_sample=False)[
            0, ids["input_ids"].shape[1] :
        ]
        texts.append(tokenizer.decode(output, skip_special_tokens=True, clean_up_tokenization_spaces=False))
    return texts


@pytest.mark.parametrize("beams", [1, 3])
def test_text_is_that_of_generate_whatever_the_batch(model: Any, tokenizer: Any, beams: int) -> None:
    expected = plain(model, tokenizer, beams)
    assert len(set(expected)) > 5, "the model must answer differently for the test to say anything"
    for batch_tokens in (32, 400, 100_000):
        assert decoded(model, tokenizer, max_new_tokens=12, batch_tokens=batch_tokens, beams=beams) == expected


def test_rows_that_end_leave_the_batch(model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A token that some answer holds early serves as an end, so that rows end at different steps.
    prompts = [tokenizer(row.prompt.text)["input_ids"] for row in rows()]
    first = greedy(model, prompts, 12, {2}, 3)
    end = first[0][4]
    assert not all(end in tokens for tokens in first)
    monkeypatch.setattr(model.generation_config, "eos_token_id", [2, end])
    assert end_tokens(model, tokenizer) == {2, end}
    sizes: list[int] = []
    hook = model.register_forward_pre_hook(
        lambda _, __, kwargs: sizes.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    together = greedy(model, prompts, 12, {2, end}, 3)
    hook.remove()
    assert sizes[0] == len(prompts) and sizes[-1] < len(prompts)
    assert together == [greedy(model, [prompt], 12, {2, end}, 3)[0] for prompt in prompts]
    assert any(len(tokens) < 12 for tokens in together)


def test_batches_keep_to_the_budget_and_lose_nothing(tokenizer: Any) -> None:
    encoded = encode(tokenizer, rows(40), 800)
    settings = Decoding(max_new_tokens=20, batch_tokens=500, beams=2)
    found = list(batches(encoded, settings))
    assert sorted(one.index for batch in found for one in batch) == list(range(40))
    for batch in found:
        assert len(batch) == 1 or len(batch) * 2 * (max(len(one.ids) for one in batch) + 20) <= 500


def test_only_the_input_is_cut_and_counted(tokenizer: Any) -> None:
    encoded = encode(tokenizer, rows(), 40)
    assert any(one.cut for one in encoded)
    for one in encoded:
        text = tokenizer.decode(one.ids)
        assert len(one.ids) <= 40 and text.startswith("Select ") and text.endswith("\n### Response:")
    with pytest.raises(UserError, match="max_prompt_tokens"):
        encode(tokenizer, rows(), 3)


def test_likelihoods_are_those_of_the_whole_text(model: Any, tokenizer: Any) -> None:
    prompt = tokenizer("Select 灰色羊毛毯\n### Response:")["input_ids"]
    candidates = rows(1)[0].candidates
    expected = []
    for candidate in candidates:
        answer = [*tokenizer(candidate, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
        expected.append(sum(logits[len(prompt) - 1 + at, token].item() for at, token in enumerate(answer)))
    for batch_tokens in (1, 100_000):
        assert likelihoods(model, tokenizer, prompt, candidates, batch_tokens) == pytest.approx(expected, rel=1e-4)


def test_ranking_answers_with_a_candidate(model: Any, tokenizer: Any) -> None:
    texts = decoded(model, tokenizer, max_new_tokens=4, rank=True)
    assert set(texts) <= set(rows(1)[0].candidates)


def test_text_is_not_repaired(tokenizer: Any) -> None:
    raw = "a , b n't 灰 "
    assert text_of(tokenizer, tokenizer(raw)["input_ids"] + [2]) == raw
