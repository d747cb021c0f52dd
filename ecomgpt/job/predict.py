"""job=predict: answers your own instructions with a trained run."""

import dataclasses
from pathlib import Path

from ecomgpt.common.errors import UserError
from ecomgpt.common.hashing import value_hash
from ecomgpt.common.jsonl import parse_json
from ecomgpt.config.schema import Config
from ecomgpt.eval.predictions import predict
from ecomgpt.eval.rows import EvalRow
from ecomgpt.runtime.directory import Run
from ecomgpt.tasks.prompt import instruction_prompt


def main(config: Config, run: Run) -> None:
    """Reads ``input``, one object with ``instruction`` and ``input`` per line, and writes answers to ``predict/``."""
    from ecomgpt.eval.backends.transformers import batch_tokens
    from ecomgpt.eval.decoding.generate import Decoding, answer
    from ecomgpt.eval.identity import decoded_by, folder_contents
    from ecomgpt.model.loading import read_model, read_tokenizer

    assert config.input is not None  # A rule of the configuration.
    rows = read_rows(Path(config.input))
    if not (run.model / "config.json").is_file():
        raise UserError(f"run: '{run.path}' holds no model yet; finish its training first")
    settings = config.eval
    decoding = Decoding(
        settings.max_new_tokens or 128, settings.max_prompt_tokens, batch_tokens(config), settings.beams
    )
    model, tokenizer = read_model(run.model).eval(), read_tokenizer(run.model)
    target = run.path / "predict" / f"{Path(config.input).stem}.jsonl"
    target.unlink(missing_ok=True)
    made_by = value_hash([folder_contents(run.model), decoded_by(config, dataclasses.asdict(decoding))])
    for one in predict(target, rows, lambda missing: answer(model, tokenizer, missing, decoding), made_by):
        print(f"{one.row.id}\t{one.text}")
    print(f"Written to {target}")


def read_rows(path: Path) -> list[EvalRow]:
    """Questions from a JSON Lines file.

    Raises:
        UserError: Naming file and line of each row that is broken.
    """
    rows, problems = [], []
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            value = parse_json(line)
            instruction, text = value["instruction"], value.get("input", "")
            definition = value.get("task", "e-commerce")
            if not all(isinstance(item, str) for item in (instruction, text, definition)):
                raise TypeError("`instruction`, `input` and `task` are texts")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"{path}:{number}: is no object with `instruction` and `input` ({error})")
            continue
        prompt = instruction_prompt(definition, instruction, text)
        # An id of the user's names nothing here, so that it may repeat, or be another line's number.
        rows.append(
            EvalRow(
                id=str(value.get("id", number)),
                task="predict",
                prompt=prompt,
                target="",
                record=f"{path.name}:{number}",
            )
        )
    if not rows and not problems:
        problems.append(f"{path}: holds no rows")
    if problems:
        raise UserError(*problems[:20])
    return rows
