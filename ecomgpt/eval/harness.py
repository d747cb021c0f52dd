"""Export of a suite as tasks of lm-evaluation-harness: a folder that it runs as it is (``--include_path``).

Prompts are written out in full, wordings and candidates included, so that the harness asks the same questions; the YAML
holds the limits of the answers and the decoding. Rows lie beside the YAML, so the folder can be moved.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import write_bytes, write_text
from ecomgpt.common.jsonl import encode_line
from ecomgpt.config.schema import Config
from ecomgpt.data.encode import TooLong, encode_prompt
from ecomgpt.eval.backends.transformers import limits
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.suite import Suite
from ecomgpt.eval.task import EvalTask

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PREFIX = "ecomgpt_"
"""Begins every task's name in the harness, where names are global."""

_CODE = '''"""Reads the rows that lie beside this file."""

import json
from pathlib import Path

import datasets


def rows(file: str, **_) -> datasets.DatasetDict:
    """The rows of one task."""
    lines = (Path(__file__).parent / file).read_text(encoding="utf-8").split("\\n")
    return datasets.DatasetDict({"test": datasets.Dataset.from_list([json.loads(line) for line in lines if line])})
'''

_README = """# {name}: tasks for lm-evaluation-harness

    lm_eval --model hf --model_args pretrained=<model folder>,dtype=float32 --include_path <this folder> \\
      --tasks {group} --log_samples --output_path <folder>

{count} tasks, {rows} rows. The prompts are whole: use no chat template and no few-shot examples. {cut}
Answers are decoded greedily, or with the beams that the YAML names; `max_gen_toks` of each YAML limits them. The
harness itself computes exact match alone.
"""


def export_suite(suite: Suite, folder: Path, config: Config, tokenizer: "PreTrainedTokenizerFast | None") -> int:
    """Writes the suite.

    Args:
        suite: Tasks with their rows.
        folder: Where to; files of an earlier export are replaced.
        config: Limits of prompts and answers, and beams.
        tokenizer: Cuts inputs that are too long for ``max_prompt_tokens`` as the evaluation does; None leaves them
            whole.

    Returns:
        How many prompts were cut.

    Raises:
        UserError: If a prompt does not fit even without its input text.
    """
    name = config.eval.name
    group = PREFIX + name
    cut = 0
    if (folder / "rows.py").is_file():  # an earlier export
        for old in [*folder.glob("*.yaml"), *folder.glob("*.jsonl")]:
            old.unlink()
    for task, rows in suite:
        most, _ = limits(config.eval, task)
        lines = [_row(row, tokenizer, most) for row in rows]
        cut += sum(line["cut_tokens"] > 0 for line in lines)
        write_bytes(folder / f"{task.name}.jsonl", b"".join(map(encode_line, lines)))
        write_text(
            folder / f"{task.name}.yaml",
            _yaml(_task(task, config)).replace("'!function rows.rows'", "!function rows.rows"),
        )
    aggregate = [{"metric": "exact_match", "weight_by_size": False}]
    write_text(
        folder / f"{group}.yaml",
        _yaml({"group": group, "task": [PREFIX + task.name for task, _ in suite], "aggregate_metric_list": aggregate}),
    )
    write_text(folder / "rows.py", _CODE)
    note = "No input was cut; the harness cuts at the model's own limit."
    if tokenizer:
        note = f"{cut} inputs were cut to the prompt limit."
    count = sum(len(rows) for _, rows in suite)
    write_text(folder / "README.md", _README.format(name=name, group=group, count=len(suite), rows=count, cut=note))
    return cut


def _task(task: EvalTask, config: Config) -> dict[str, Any]:
    beams = {"num_beams": config.eval.beams} if config.eval.beams > 1 else {}
    return {
        "task": PREFIX + task.name,
        "task_alias": task.title,
        "custom_dataset": "!function rows.rows",
        "dataset_kwargs": {"file": f"{task.name}.jsonl"},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "target",
        "num_fewshot": 0,
        # Answers may hold line breaks: the end of sequence alone, which the harness adds, ends them.
        "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": limits(config.eval, task)[1], **beams},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1.0},
    }


def _row(row: EvalRow, tokenizer: "PreTrainedTokenizerFast | None", most: int) -> dict[str, Any]:
    prompt, cut = row.prompt.text, 0
    if tokenizer is not None:
        try:
            ids, cut = encode_prompt(tokenizer, row.prompt, most)
        except TooLong as error:
            raise UserError(f"{row.id}: {error}; raise eval.max_prompt_tokens or offer fewer candidates") from None
        if cut:
            prompt = str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
    return {"id": row.id, "prompt": prompt, "target": row.target, "candidates": row.candidates, "cut_tokens": cut}


def _yaml(value: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000))
