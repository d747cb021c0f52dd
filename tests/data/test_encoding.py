"""What is trained on: answer and end of sequence alone; only the input text is ever cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecomgpt.data.batches import collate
from ecomgpt.data.encode import TooLong, encode_examples, encode_prompt
from ecomgpt.data.store import Examples, TokenWriter
from ecomgpt.model.tokenizer import train, wrap
from ecomgpt.tasks.prompt import Prompt, instruction_prompt

TEXTS = [
    "The kettle boils fast and looks good.",
    "这款水壶烧水很快，外观也好看。",
    "positive",
    "负面",
    "a\u2028b\x00c 😀",
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return wrap(train(TEXTS * 3, 600))


def encoded(tokenizer: Any, rows: list[tuple[Prompt, str]], limit: int) -> Any:
    """Rows as training tokenises them."""
    prompts, answers = zip(*rows, strict=True)
    return list(encode_examples(tokenizer.backend_tokenizer, tokenizer.eos_token_id, prompts, answers, limit))


@pytest.mark.parametrize("text", [*TEXTS, "never seen: ÄÖ ½ 龘 \t\r\n  two  spaces"])
def test_the_tokenizer_gives_every_text_back(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_special_tokens_are_blooms(tokenizer: Any) -> None:
    assert [tokenizer.convert_tokens_to_ids(token) for token in ("<unk>", "<s>", "</s>", "<pad>")] == [0, 1, 2, 3]


def test_the_loss_covers_answer_and_end_of_sequence_alone(tokenizer: Any, tmp_path: Path) -> None:
    rows = [
        (instruction_prompt("sentiment", "Which sentiment?", TEXTS[0]), "positive"),
        (instruction_prompt("sentiment", "情感是什么？", TEXTS[1]), "负面"),
    ]
    with TokenWriter(tmp_path) as writer:
        for number, one in enumerate(encoded(tokenizer, rows, 512)):
            assert one is not None and one.cut_tokens == 0
            writer.add(one.ids, one.prompt_tokens, 0, number)
    batch = collate(Examples(tmp_path), [np.array([0, 1])], 3)
    assert tokenizer.decode(batch["targets"]) == "positive</s>负面</s>"
    flat = batch["input_ids"].flatten()
    # Each target is the token that follows the position that predicts it.
    assert flat[batch["target_index"] + 1].tolist() == batch["targets"].tolist()
    before = flat[: int(batch["target_index"][0]) + 1]
    assert tokenizer.decode(before) == rows[0][0].text


def test_training_and_evaluation_read_the_same_prompt_tokens(tokenizer: Any) -> None:
    prompt = instruction_prompt("sentiment", "Which sentiment?", TEXTS[0])
    (one,) = encoded(tokenizer, [(prompt, "positive")], 512)
    assert one is not None
    assert (
        one.ids[: one.prompt_tokens] == encode_prompt(tokenizer, prompt, 512)[0] == tokenizer(prompt.text)["input_ids"]
    )


@pytest.mark.parametrize("language", [0, 1])
@pytest.mark.parametrize("limit", [60, 90, 130])
def test_only_the_input_is_cut(tokenizer: Any, language: int, limit: int) -> None:
    prompt = Prompt("Head\n", TEXTS[language] * 60, "\nPick: a, b\n### Response:")
    ids, cut = encode_prompt(tokenizer, prompt, limit)
    text = tokenizer.decode(ids)
    assert len(ids) <= limit and cut == len(tokenizer(prompt.text)["input_ids"]) - len(ids) > 0
    assert text.startswith("Head\n") and text.endswith(prompt.after)
    assert prompt.input.startswith(text[len("Head\n") : -len(prompt.after)])
    (one,) = encoded(tokenizer, [(prompt, "an answer")], limit)
    assert one is not None and len(one.ids) <= limit
    assert one.ids[: one.prompt_tokens] == encode_prompt(tokenizer, prompt, one.prompt_tokens)[0]
    assert tokenizer.decode(one.ids).endswith("### Response:an answer</s>")


def test_what_does_not_fit_without_its_input_is_refused(tokenizer: Any) -> None:
    prompt = Prompt("Head " * 50, "x", " tail")
    with pytest.raises(TooLong):
        encode_prompt(tokenizer, prompt, 20)
    assert encoded(tokenizer, [(prompt, "a")], 20) == [None]
