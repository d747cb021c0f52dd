"""Prepares a mixture: datasets to chosen instructions to token files, each stage once, kept under its fingerprint.

Both stages work on pieces in several processes (`ecomgpt.data.parallel`): blocks of records become files of instructions,
from which the chosen ones are put together; record batches of instructions become token ids.
"""

import contextlib
import dataclasses
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
from filelock import FileLock

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json, write_json
from ecomgpt.common.hashing import value_hash
from ecomgpt.common.progress import track
from ecomgpt.config.schema import Config
from ecomgpt.data import fingerprint, manifest
from ecomgpt.data.choose import Chooser, Planned, Shares, first
from ecomgpt.data.instructions import Block, Counts, Found, blocks, find, planned
from ecomgpt.data.leaks import Leaks
from ecomgpt.data.parallel import ordered
from ecomgpt.data.parts import Part, PartMaker
from ecomgpt.data.protect import Protection
from ecomgpt.data.store import Examples, InstructionWriter, TokenWriter, keep_only, read_batches
from ecomgpt.data.tokens import TOKENIZER, Tokeniser, tally, within_budget

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

SPLITS = ("train", "validation")
SAMPLE = 20_000
"""Training examples that a tokenizer is trained on, where the model has none of its own."""


class TokenizerSource(Protocol):
    """Where the tokenizer comes from; nothing is loaded before it is needed."""

    def key(self) -> str:
        """What the tokenizer depends on, besides the texts that it may be trained on."""

    def backend(self, texts: Iterable[str]) -> tuple["Tokenizer", int]:
        """The tokenizer and the id of its end of sequence; ``texts`` are for tokenizers to be trained."""

    def load(self, path: Path) -> "PreTrainedTokenizerFast":
        """The whole tokenizer; ``path`` is a file to which `backend`'s was saved."""


@dataclass
class Prepared:
    """A mixture that is ready for training.

    Attributes:
        folder: Its token files.
        instructions: The folder with its texts.
        load_tokenizer: Loads the tokenizer that made the tokens.
        manifest: What is in it and what became of every row.
    """

    folder: Path
    instructions: Path
    load_tokenizer: Callable[[], "PreTrainedTokenizerFast"]
    manifest: dict[str, Any]

    @cached_property
    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """The tokenizer; loaded when it is first asked for."""
        return self.load_tokenizer()

    def examples(self, split: str) -> Examples:
        """The tokenised examples of ``train`` or ``validation``."""
        return Examples(self.folder / split)

    def hand_over(self, folder: Path) -> None:
        """Leaves in a folder what another process of this machine needs to go on with this very mixture."""
        self.tokenizer.save_pretrained(folder / "tokenizer")
        facts = {
            "folder": str(self.folder.absolute()),
            "instructions": str(self.instructions.absolute()),
            "manifest": self.manifest,
        }
        write_json(folder / "prepared.json", facts)

    @classmethod
    def handed_over(cls, folder: Path, load: Callable[[Path], "PreTrainedTokenizerFast"]) -> "Prepared":
        """The mixture that another process has left here.

        Args:
            folder: Where `hand_over` left it.
            load: Loads a tokenizer from its folder.
        """
        facts = read_json(folder / "prepared.json")
        return cls(
            Path(facts["folder"]), Path(facts["instructions"]), lambda: load(folder / "tokenizer"), facts["manifest"]
        )


def prepare(config: Config, protection: Protection, tokenizer: TokenizerSource) -> Prepared:
    """Builds the mixture, or finds it in the cache.

    Args:
        config: The run's configuration.
        protection: What must stay out.
        tokenizer: Where the tokenizer comes from.

    Raises:
        UserError: If no dataset is there, no task is left, a file is broken, or the mixture is smaller than its budget.
    """
    found = find(config)
    names, made_of = _names(config, found, protection, tokenizer)
    cache = Path(config.paths.cache).expanduser()
    try:
        texts = once(
            cache / "instructions" / names[0], lambda folder: _write_instructions(config, found, protection, folder)
        )
        tokens = once(cache / "tokens" / names[1], lambda folder: _write_tokens(config, texts, tokenizer, folder))
    except OSError as error:
        raise UserError(
            f"paths.cache: cannot write '{error.filename or cache}': {error.strerror}; give paths.cache=<folder>"
        ) from error
    whole = manifest.whole(_read(texts), _read(tokens), names[1])
    return Prepared(tokens, texts, lambda: tokenizer.load(tokens / TOKENIZER), {**whole, "made_of": made_of})


def prepared_before(config: Config, protection: Protection, tokenizer: TokenizerSource) -> dict[str, Any] | None:
    """The manifest of a mixture that lies in the cache; None where it was never built. Arguments as of `prepare`."""
    names, _ = _names(config, find(config), protection, tokenizer)
    cache = Path(config.paths.cache).expanduser()
    texts, tokens = cache / "instructions" / names[0], cache / "tokens" / names[1]
    built = all((folder / "manifest.json").is_file() for folder in (texts, tokens))
    return manifest.whole(_read(texts), _read(tokens), names[1]) if built else None


def _names(
    config: Config, found: Found, protection: Protection, tokenizer: TokenizerSource
) -> tuple[tuple[str, str], dict[str, str]]:
    """The names of texts and tokens in the cache, and a hash of each thing that they depend on."""
    made_of = fingerprint.texts(config, found, [protection.suite, sorted(protection.tasks), protection.key])
    texts = value_hash(made_of)
    made_of |= fingerprint.tokens(config, tokenizer.key())
    return (texts, value_hash(made_of)), made_of


def _write_instructions(config: Config, found: Found, protection: Protection, folder: Path) -> None:
    """Stage one: records to instructions, leaks out, capped and balanced."""
    tasks = _tasks(config, found, protection)
    counts = {dataset.name: Counts() for dataset in found.datasets}
    leaks = {split: Leaks() for split in SPLITS}
    offered = {split: Counter[str]() for split in SPLITS}
    unmerged = folder / "parts"
    unmerged.mkdir()
    make = partial(PartMaker, config, tasks, protection.texts(), unmerged)
    parts = []
    for part in ordered(make, enumerate(_blocks(config, found, counts)), config.data.processes):
        counts[part.dataset].add(part.split, part.counts)
        leaks[part.split].merge(part.leaks)
        offered[part.split] += part.offered
        parts.append(part)
    chooser = Chooser(config.data, config.seed, tasks)
    names = [task.name for task in tasks]
    there = {split: manifest.by_name(names, offered[split]) for split in SPLITS}
    shares = {split: chooser.shares(split, there[split], there["train"]) for split in SPLITS}
    for split in SPLITS:
        order = _merge([part for part in parts if part.split == split], shares[split], folder / f"{split}.arrow")
        np.save(folder / f"{split}_order.npy", order)
    unmerged.rmdir()
    _write(folder, manifest.of_instructions(config, found, tasks, counts, leaks, shares, protection))


def _tasks(config: Config, found: Found, protection: Protection) -> list[Planned]:
    """The mixture's tasks; their places in this list are their numbers."""
    if not found.datasets:
        raise UserError(
            f"sources={config.sources.name}: no dataset was found in '{config.paths.data}/raw'; give paths.data=<folder>, or use sources=demo",
            *found.missing,
        )
    tasks = planned(config, found, protection.tasks)
    if not tasks:
        names = ", ".join(dataset.name for dataset in found.datasets)
        raise UserError(
            f"data={config.data.name}: no task is left for {names}; loosen data.families, data.tasks or data.exclude"
        )
    return tasks


def _blocks(config: Config, found: Found, counts: dict[str, Counts]) -> Iterator[Block]:
    broken: list[str] = []
    for dataset in found.datasets:
        try:
            yield from blocks(config, dataset, SPLITS, counts[dataset.name], f"building {dataset.name}")
        except UserError as error:
            broken += error.problems  # The other datasets may be broken too: people want to know it all at once.
    if broken:
        raise UserError(*broken)


def _merge(parts: Sequence[Part], shares: Shares, path: Path) -> np.ndarray:
    """Puts the chosen instructions of all parts into one file, in the order of the parts, and deletes the parts.

    Returns:
        The place of each in the seeded order, shape (instructions,), uint64.
    """
    tasks = np.concatenate([np.empty(0, np.int32), *(part.tasks for part in parts)])
    order = np.concatenate([np.empty(0, np.uint64), *(part.places for part in parts)])
    chosen = first(tasks, order, shares.kept)
    start = 0
    with InstructionWriter(path) as writer:
        for part in track(parts, f"writing {path.name}", len(parts)):
            for batch in read_batches(part.path):
                writer.add_batch(batch.filter(pa.array(chosen[start : start + len(batch)])))
                start += len(batch)
            part.path.unlink()
    return order[chosen]


def _write_tokens(config: Config, texts: Path, source: TokenizerSource, folder: Path) -> None:
    """Stage two: instructions to token files; what is cut or dropped is counted by task."""
    known = _read(texts)
    names = [task["name"] for task in known["tasks"]]
    tokenizer, end = source.backend(_sample(texts))
    tokenizer.save(str(folder / TOKENIZER))
    make = partial(Tokeniser, folder, end, config.data.max_length, {name: number for number, name in enumerate(names)})
    contents: dict[str, Any] = {"budget": {}}
    share = 1.0
    for split in SPLITS:
        (folder / split).mkdir()
        batches = track(
            read_batches(texts / f"{split}.arrow"), f"tokenising {split}", known["written"][split], size=len
        )
        dropped: Counter[tuple[str, int]] = Counter()
        row = 0
        with TokenWriter(folder / split) as writer:
            for tokens in ordered(make, batches, config.data.processes):
                writer.add_many(tokens.ids, tokens.facts | {"rows": tokens.facts["rows"] + row})
                dropped += tokens.dropped
                row += tokens.read
        if split == "train":
            contents["budget"], share, over = _keep_to_budget(config, texts, folder / split)
        else:
            over = _keep_share(texts, folder / split, share)
        dropped += over
        contents[split] = tally(Examples(folder / split), names)
        for reason in manifest.TOKEN_REASONS:
            contents[split][reason] = {
                names[task]: count for (why, task), count in sorted(dropped.items()) if why == reason
            }
    _write(folder, contents)


def _keep_to_budget(
    config: Config, texts: Path, folder: Path
) -> tuple[dict[str, Any], float, Counter[tuple[str, int]]]:
    """Takes out of the training part's token files what is over the budget.

    Returns:
        What was asked for and what was reached; the share of the examples that stays; (reason, number of the task) of
        what was taken out.

    Raises:
        UserError: If the mixture is smaller: mixtures of one budget must not differ in size unnoticed.
    """
    budget = config.data.budget
    if budget.examples is None and budget.target_tokens is None:
        return {}, 1.0, Counter()
    examples = Examples(folder)
    there = {"examples": len(examples), "target_tokens": int(examples.targets.sum())}
    wanted = {key: value for key, value in dataclasses.asdict(budget).items() if value is not None}
    short = [
        f"data.budget.{key}={value}: the mixture data={config.data.name} has only {there[key]}; mixtures that are to be compared must be of "
        f"one size, so give all of them data.budget.{key}={there[key]} or less, or raise data.max_examples_per_task"
        for key, value in wanted.items()
        if there[key] < value
    ]
    if short:
        raise UserError(*short)
    order = np.load(texts / "train_order.npy")[examples.rows]
    kept = within_budget(examples.targets, order, budget.examples, budget.target_tokens)
    if not kept.any():
        first = int(examples.targets[np.argmin(order)])
        raise UserError(
            f"data.budget.target_tokens={budget.target_tokens}: the first example alone has {first} answer tokens; give {first} or more"
        )
    reached = {"wanted": wanted, "examples": int(kept.sum()), "target_tokens": int(examples.targets[kept].sum())}
    return reached, float(kept.mean()), _take_out(folder, examples, kept)


def _keep_share(texts: Path, folder: Path, share: float) -> Counter[tuple[str, int]]:
    """Cuts the validation part like the training part: it is a gauge, and would cost more time than a small budget's training.

    Returns:
        (reason, number of the task) of what was taken out.
    """
    examples = Examples(folder)
    order = np.load(texts / "validation_order.npy")[examples.rows]
    kept = within_budget(examples.targets, order, max(1, round(share * len(examples))), None)
    return Counter() if kept.all() else _take_out(folder, examples, kept)


def _take_out(folder: Path, examples: Examples, kept: np.ndarray) -> Counter[tuple[str, int]]:
    over = Counter(("over_budget", task) for task in examples.tasks[~kept].tolist())
    keep_only(folder, kept)
    return over


def _sample(texts: Path) -> Iterator[str]:
    """Prompts and answers of the first `SAMPLE` training examples in the seeded order."""
    order = np.load(texts / "train_order.npy")
    last = np.partition(order, SAMPLE)[SAMPLE] if len(order) > SAMPLE else None
    start = 0
    for batch in read_batches(texts / "train.arrow"):
        chosen = None if last is None else pa.array(order[start : start + len(batch)] < last)
        start += len(batch)
        for row in (
            (batch if chosen is None else batch.filter(chosen))
            .select(["before", "input", "after", "target"])
            .to_pylist()
        ):
            yield row["before"] + row["input"] + row["after"]
            yield row["target"]


def once(folder: Path, write: Callable[[Path], object]) -> Path:
    """A folder that is written aside and moved into place whole, unless it is there already; runs that start together wait."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        return folder if folder.is_dir() else _place(folder, write)


def _place(folder: Path, write: Callable[[Path], object]) -> Path:
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        write(temporary)
        temporary.chmod(0o755)  # Others may share the cache.
        # Another machine may have been faster, where the cache's file system keeps no locks between them; both wrote the same.
        with contextlib.suppress(OSError):
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _write(folder: Path, contents: dict[str, Any]) -> None:
    write_json(folder / "manifest.json", contents)


def _read(folder: Path) -> dict[str, Any]:
    return read_json(folder / "manifest.json")
