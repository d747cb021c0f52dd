"""Ranking candidates: the likelihoods of whole texts, however they are read."""

from typing import Any

import pytest
import torch

from ecomgpt.eval.decoding.generate import Decoding, answer
from ecomgpt.eval.decoding.rank import likelihoods, rank, whole
from ecomgpt.eval.decoding.tree import Tree
from ecomgpt.eval.rows import EvalRow
from ecomgpt.tasks.prompt import Prompt

MANY = [f"类目 {number % 17} of {number}" for number in range(170)]


def _naive(model: Any, tokenizer: Any, prompt: list[int], candidates: list[str]) -> list[float]:
    found = []
    for candidate in candidates:
        ids = [*tokenizer(candidate, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt + ids])).logits[0].log_softmax(-1)
        found.append(sum(logits[len(prompt) - 1 + at, token].item() for at, token in enumerate(ids)))
    return found


def test_likelihoods_are_those_of_the_whole_texts(model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [tokenizer(f"Select {text}\n### Response:")["input_ids"] for text in ("灰色羊毛毯", "sentence")]
    candidates = [*MANY, "", "Taste"]
    expected = [_naive(model, tokenizer, prompt, candidates) for prompt in prompts]
    questions = [(prompt, candidates) for prompt in prompts]
    prefixes: list[list[int]] = [[], tokenizer("Select")["input_ids"]]
    for prefix in prefixes:
        for most in (7, 10_000):
            monkeypatch.setattr("ecomgpt.eval.decoding.rank.CANDIDATE_TOKENS", most)
            for found, one in zip(likelihoods(model, tokenizer, questions, prefix), expected, strict=True):
                assert found == pytest.approx(one, rel=1e-4, abs=1e-4)
    monkeypatch.setattr("ecomgpt.eval.decoding.rank.supports", lambda model: False)
    for found, one in zip(likelihoods(model, tokenizer, questions), expected, strict=True):
        assert found == pytest.approx(one, rel=1e-4, abs=1e-4)


def test_of_equals_the_first_is_taken(model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = tokenizer("Select 灰色羊毛毯\n### Response:")["input_ids"]
    scores = next(likelihoods(model, tokenizer, [(prompt, MANY)]))
    best = MANY[scores.index(max(scores))]
    assert next(rank(model, tokenizer, [(prompt, MANY)])) == (0, best)
    monkeypatch.setattr("ecomgpt.eval.decoding.rank.likelihoods", lambda *_: iter([[-9.0, -2.00001, -2.0, -3.0]]))
    assert next(rank(model, tokenizer, [(prompt, ("a", "b", "c", "d"))])) == (0, "b")


def test_a_tree_holds_every_beginning_once() -> None:
    tree = Tree([[5, 6, 2], [5, 7, 2], [5, 6, 8, 2], [2], [5, 6, 2]])
    assert (tree.tokens, tree.parents, tree.depths) == ([5, 6, 7, 8], [-1, 0, 0, 1], [0, 1, 1, 2])
    assert tree.ancestors() == [[0], [0, 1], [0, 2], [0, 1, 3]]
    values = {
        (0, 5): 1.0,
        (1, 6): 10.0,
        (2, 2): 100.0,
        (1, 7): 20.0,
        (3, 2): 200.0,
        (2, 8): 30.0,
        (4, 2): 300.0,
        (0, 2): 0.5,
    }
    assert set(tree.asked) == set(values)
    assert tree.sums([values[one] for one in tree.asked]) == [111.0, 221.0, 341.0, 0.5, 111.0]


def test_ranking_answers_with_a_candidate_and_writes_open_answers(model: Any, tokenizer: Any) -> None:
    labels = ("Taste", "类目", "no")
    asked = [
        EvalRow(id=str(at), task="t", prompt=Prompt("Select ", text, ":"), target="no", form=form, candidates=given)
        for at, (text, form, given) in enumerate(
            [("灰色", "label", labels), ("羊毛", "labels", labels), ("毯", "text", ()), ("a", "typed_spans", labels)]
        )
    ]
    found = {reply.row: reply.text for reply in answer(model, tokenizer, asked, Decoding(max_new_tokens=4, rank=True))}
    assert found[0] in labels and found[1] in labels
    written = {reply.row: reply.text for reply in answer(model, tokenizer, asked, Decoding(max_new_tokens=4))}
    assert (found[2], found[3]) == (written[2], written[3])
    assert whole(model, [1], [[2]])
