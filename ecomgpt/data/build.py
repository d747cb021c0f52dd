"""Prepares a mixture: datasets to chosen instructions to token files, each stage once, kept under its fingerprint."""

import contextlib
import dataclasses
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.config.schema import BudgetConfig, Config, DataConfig
from ecomgpt.data import fingerprint, manifest
from ecomgpt.data.choose import Selection
from ecomgpt.data.encode import encode_examples
from ecomgpt.data.instructions import Counts, Found, find, make, planned
from ecomgpt.data.leaks import Guard
from ecomgpt.data.store import Examples, TokenWriter, read_instructions, write_instructions
from ecomgpt.errors import UserError
from ecomgpt.progress import track
from ecomgpt.rundir import read_json, write_json
from ecomgpt.tasks.instruction import Instruction

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPLITS = ("train", "validation")


@dataclass
class Prepared:
    """A mixture that is ready for training.

    Attributes:
        folder: Its token files.
        instructions: The folder with its texts.
        tokenizer: The tokenizer that made the tokens.
        manifest: What is in it and what became of every row.
    """

    folder: Path
    instructions: Path
    tokenizer: "PreTrainedTokenizerFast"
    manifest: dict[str, Any]

    def examples(self, split: str) -> Examples:
        """The tokenised examples of ``train`` or ``validation``."""
        return Examples(self.folder / split)

    def hand_over(self, folder: Path) -> None:
        """Leaves in a folder what another process of this machine needs to go on with this very mixture."""
        self.tokenizer.save_pretrained(folder / "tokenizer")
        facts = {"folder": str(self.folder.absolute()), "instructions": str(self.instructions.absolute()), "manifest": self.manifest}
        write_json(folder / "prepared.json", facts)

    @classmethod
    def handed_over(cls, folder: Path) -> "Prepared":
        """The mixture that another process has left here."""
        from ecomgpt.model.backbone import read_tokenizer

        facts = read_json(folder / "prepared.json")
        return cls(Path(facts["folder"]), Path(facts["instructions"]), read_tokenizer(folder / "tokenizer"), facts["manifest"])


@dataclass
class Protection:
    """What the evaluation keeps for itself.

    Attributes:
        suite: The suite's name.
        tasks: ``<dataset>.<task>`` names that must not be trained on.
        texts: (evaluation task, text) pairs that must not occur in training.
    """

    suite: str
    tasks: Sequence[str] = ()
    texts: Sequence[tuple[str, str]] = ()


def prepare(
    config: Config,
    protection: Protection,
    tokenizer: Callable[[Callable[[], Iterator[str]]], "PreTrainedTokenizerFast"],
) -> Prepared:
    """Builds the mixture, or finds it in the cache.

    Args:
        config: The run's configuration.
        protection: What must stay out.
        tokenizer: Gives the tokenizer; gets a function that streams the mixture's texts, for tokenizers to be trained.

    Raises:
        UserError: If no dataset is there, no task is left, or a file is broken.
    """
    found = find(config)
    made_of = fingerprint.parts(config, found, protection.tasks, protection.texts)
    name = fingerprint.digest(made_of)
    cache = Path(config.paths.cache).expanduser()
    try:
        texts = _once(cache / "instructions" / name, lambda folder: _write_instructions(config, found, protection, folder))
        made = tokenizer(lambda: _texts(texts))
        made_of["the tokenizer"] = fingerprint.of_tokenizer(made)
        tokens_name = fingerprint.of_tokens(name, made_of["the tokenizer"], config.data.max_length)
        tokens = _once(cache / "tokens" / tokens_name, lambda folder: _write_tokens(config, texts, made, folder))
    except OSError as error:
        raise UserError(f"paths.cache: cannot write '{error.filename or cache}': {error.strerror}; give paths.cache=<folder>") from error
    return Prepared(tokens, texts, made, {**manifest.whole(_read(texts), _read(tokens), tokens_name), "made_of": made_of})


def prepared_before(
    config: Config,
    protection: Protection,
    tokenizer: Callable[[Callable[[], Iterator[str]]], "PreTrainedTokenizerFast"],
) -> dict[str, Any] | None:
    """The manifest of a mixture that lies in the cache; None where it was never built. Arguments as of `prepare`."""
    found = find(config)
    cache = Path(config.paths.cache).expanduser()
    name = fingerprint.digest(fingerprint.parts(config, found, protection.tasks, protection.texts))
    texts = cache / "instructions" / name
    if not (texts / "manifest.json").is_file():
        return None
    made = tokenizer(lambda: _texts(texts))
    tokens_name = fingerprint.of_tokens(name, fingerprint.of_tokenizer(made), config.data.max_length)
    tokens = cache / "tokens" / tokens_name
    return manifest.whole(_read(texts), _read(tokens), tokens_name) if (tokens / "manifest.json").is_file() else None


def _write_instructions(config: Config, found: Found, protection: Protection, folder: Path) -> None:
    """Stage one: records to instructions, leaks out, capped and balanced."""
    if not found.datasets:
        raise UserError(
            f"sources={config.sources.name}: no dataset was found in '{config.paths.data}/raw'; give paths.data=<folder>, or use sources=demo",
            *found.missing,
        )
    plan = planned(config, found, protection.tasks)
    families = {f"{dataset}.{task.name}": task.family for dataset, tasks in plan.items() for task in tasks}
    if not families:
        raise UserError(f"data={config.data.name}: no task is left for {', '.join(plan)}; loosen data.families, data.tasks or data.exclude")
    guard = Guard(protection.texts, config.data.leaks)
    selection = Selection(config.data, config.seed, families)
    validation = Selection(_fewer(config.data), config.seed, families)
    counts: dict[str, Counts] = {}
    leaks: dict[str, Counter[str]] = {}
    broken: list[str] = []
    for dataset in found.datasets:
        counts[dataset.name] = Counts()
        stream = make(config, dataset, plan[dataset.name], SPLITS, counts[dataset.name], config.seed)
        try:
            for instruction in track(stream, f"building {dataset.name}"):
                # Inputs and answers, one by one: what all examples share, the wording, is no evidence.
                against = guard.leak(instruction.prompt.input) or guard.leak(instruction.target)
                if against:
                    leaks.setdefault(instruction.task, Counter())[f"{instruction.split}: {against}"] += 1
                else:
                    (selection if instruction.split == "train" else validation).add(instruction)
        except UserError as error:
            broken += error.problems  # The other datasets may be broken too: people want to know it all at once.
    if broken:
        raise UserError(*broken)
    written = {split: Counter[str]() for split in SPLITS}
    kept = {"train": list(selection.tasks()), "validation": []}
    for split, chosen in (("train", selection), ("validation", validation)):
        kept_tasks = set(kept["train"])
        rows = (row for row in chosen.chosen() if row.task in kept_tasks)
        write_instructions(folder / f"{split}.arrow", _counted(rows, written[split]))
    texts = manifest.of_instructions(config, found, plan, counts, leaks, selection, written, protection)
    _write(folder, texts)


def _write_tokens(config: Config, texts: Path, tokenizer: "PreTrainedTokenizerFast", folder: Path) -> None:
    """Stage two: instructions to token files; what is cut or dropped is counted by task."""
    numbers = {task["name"]: number for number, task in enumerate(_read(texts)["tasks"])}
    counts: dict[str, dict[str, Counter[str]]] = {}
    budget = config.data.budget.target_tokens
    for split in SPLITS:
        (folder / split).mkdir()
        counts[split] = {name: Counter() for name in ("examples", "tokens", "target_tokens", "truncated", "cut_tokens", "too_long", "choices_cut", "over_budget")}
        total = _read(texts)["written"][split]
        rows = read_instructions(texts / f"{split}.arrow")
        left = budget if budget and split == "train" else None
        with TokenWriter(folder / split) as writer:
            for number, (row, encoded) in enumerate(_encoded(track(rows, f"tokenising {split}", total), tokenizer, config.data.max_length)):
                count = counts[split]
                if encoded is None:
                    count["too_long"][row.task] += 1
                    continue
                if encoded.cut_tokens and choices_in_input(row):
                    count["choices_cut"][row.task] += 1
                    continue
                answer = len(encoded.ids) - encoded.prompt_tokens
                if left is not None and answer > left:
                    count["over_budget"][row.task] += 1
                    continue
                left = None if left is None else left - answer
                writer.add(encoded.ids, encoded.prompt_tokens, numbers[row.task], number)
                count["examples"][row.task] += 1
                count["tokens"][row.task] += len(encoded.ids)
                count["target_tokens"][row.task] += answer
                count["truncated"][row.task] += encoded.cut_tokens > 0
                count["cut_tokens"][row.task] += encoded.cut_tokens
    _write(folder, {split: {name: dict(counter) for name, counter in found.items()} for split, found in counts.items()})


def _encoded(rows: Iterator[Instruction], tokenizer: "PreTrainedTokenizerFast", max_length: int) -> Iterator[tuple[Instruction, Any]]:
    """Pairs each instruction with its tokens, without holding more than a batch of them."""
    pending: list[Instruction] = []

    def pairs() -> Iterator[tuple[Any, str]]:
        for row in rows:
            pending.append(row)
            yield row.prompt, row.target

    for encoded in encode_examples(tokenizer, pairs(), max_length):
        yield pending.pop(0), encoded


def choices_in_input(row: Instruction) -> bool:
    """Whether the answer's choices stand in the input text, so that cutting it could take the right one away."""
    wording = row.prompt.before + row.prompt.after
    shown = all(choice in row.prompt.input for choice in row.candidates)
    return bool(row.candidates) and shown and not all(choice in wording for choice in row.candidates)


def _fewer(data: DataConfig) -> DataConfig:
    """The settings of the validation part: its share of the cap, because its loss is a gauge, not a result."""
    cap = data.max_examples_per_task
    share = None if cap is None else max(1, round(cap * data.validation))
    return dataclasses.replace(data, max_examples_per_task=share, budget=BudgetConfig())


def _texts(folder: Path) -> Iterator[str]:
    for row in read_instructions(folder / "train.arrow"):
        yield row.prompt.text
        yield row.target


def _counted(rows: Iterator[Instruction], counter: Counter[str]) -> Iterator[Instruction]:
    for row in rows:
        counter[row.task] += 1
        yield row


def _once(folder: Path, write: Callable[[Path], None]) -> Path:
    """A folder that is written aside and moved into place whole, unless it is there already."""
    if (folder / "manifest.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        write(temporary)
        # Another process may have been faster; both wrote the same.
        with contextlib.suppress(OSError):
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _write(folder: Path, contents: dict[str, Any]) -> None:
    """The manifest is the last file of a prepared folder: the sign that it is whole."""
    (folder / "manifest.json").write_text(json.dumps(contents, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
