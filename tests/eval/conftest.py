"""Invented evaluation data in the released format, and tiny models made from their configs."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from support import bloom, llama

from ecomgpt.eval.task import EvalTask

# A busy machine is no failure.
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")

HEAD = "### Instruction:\n{sentences}\n"
TAIL = " {label_set}. \n### Response:"


def write_released(folder: Path, meta: dict[str, Any], rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta-info.json").write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "test.json").write_text(lines, encoding="utf-8")
    return folder


def _spans(text: str, *terms: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"start": text.find(t), "end": text.find(t) + len(t), "type": type_, "term": t} for type_, t in terms]


@pytest.fixture()
def released(tmp_path: Path) -> dict[str, EvalTask]:
    """One folder of each type below ``tmp_path``, and the declarations that read them."""
    types = {"zh": ["颜色", "材质"], "en": ["Colour", "Material"]}
    span_meta = {
        "defi": "attribute recognition",
        "label_set": types,
        "label_key": "zh",
        "label_sep": ", ",
        "task": "other",
    }
    span_rows: list[dict[str, Any]] = [
        {"sentences": "深绿棉布围裙", "spans": _spans("深绿棉布围裙", ("颜色", "深绿"), ("材质", "棉布"))},
        {"sentences": "手工皂盒", "spans": []},
        {"sentences": "灰 , 白羊毛毯", "spans": _spans("灰 , 白羊毛毯", ("颜色", "灰 , 白"), ("材质", "羊毛"))},
    ]
    many = [f"类目{number}" for number in range(40)]
    folders: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
        "ZH-Shop-NER-attributes": (span_meta | {"test_prompt": {"instruction": HEAD + "Extract" + TAIL}}, span_rows),
        "ZH-Shop-Condition_Extract-values": (
            span_meta | {"test_prompt": {"instruction": HEAD + "Detect" + TAIL}},
            span_rows,
        ),
        "EN-Shop-CLS-topics": (
            {
                "defi": "topics",
                "test_prompt1": {"instruction": "{sentences} wrong prompt"},
                "test_prompt": {"instruction": HEAD + "Pick" + TAIL},
                "label_set": {"default": ["Taste", "Price, Value", "Delivery"]},
                "label_key": "default",
                "label_sep": ", ",
            },
            [
                {"sentences": "Cheap {label_set} and quick.", "labels": {"default": ["Price, Value", "Delivery"]}},
                {"sentences": "Yum\u2028yum", "labels": {"default": ["Taste"]}},
            ],
        ),
        "ZH-Shop-CLS-fine": (
            {
                "defi": "category",
                "test_prompt": {"instruction": HEAD + "Categorize" + TAIL},
                "label_set": {"fine": many},
            }
            | {"label_key": "fine", "label_sep": ", "},
            [{"sentences": f"商品{number}", "labels": {"fine": [many[number]]}} for number in range(30)],
        ),
        "EN-Shop-Extract-qa": (
            {"defi": "qa", "test_prompt": {"instruction": HEAD + "Answer. \n### Response:"}, "label_sep": ", "},
            [
                {
                    "sentences": "Context: It holds two, maybe three litres.",
                    "spans": [{"term": "two, maybe three", "start": 0, "end": 0}],
                }
            ],
        ),
        "ZH-Shop-Generate-titles": (
            {"defi": "titles", "test_prompt": {"instruction": "{sentences}\nGenerate a title. \n### Response:"}},
            [{"sentences": "颜色#:#灰", "label_set": [""], "spans": [{"term": "灰色羊毛毯", "start": 0, "end": 0}]}],
        ),
    }
    tasks = {}
    for name, (meta, rows) in folders.items():
        write_released(tmp_path / "eval" / name, meta, rows)
        language = name[:2].lower()
        tasks[name] = EvalTask(
            name=name,
            title=name,
            language=language,
            family="product_classification",
            dataset="shop",
            folder=f"eval/{name}",
        )
    return tasks


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """A byte-level BPE tokenizer with BLOOM's special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    plain.train_from_iterator(["Select category for the above sentences", "灰色羊毛毯 深绿棉布围裙 类目"] * 9, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


@pytest.fixture(scope="session", params=["bloom", "llama"])
def model(request: pytest.FixtureRequest, tokenizer: Any) -> Any:
    """Random weights, spread widely enough that answers differ and some end early."""
    tokens = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}
    if request.param == "bloom":
        return bloom(len(tokenizer), seed=3, initializer_range=0.4, **tokens).eval()
    return llama(len(tokenizer), seed=3, initializer_range=0.4, num_key_value_heads=4, **tokens).eval()
