"""Records to instructions: streaming, in blocks, and the same for a seed and an id in every run.

Each row draws from its own generator, seeded by ``<seed>/<row id>``, so that a task's rows do not depend on which other
tasks were chosen, on the number of processes or on the order of the tasks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

from ecomgpt.common.errors import UserError
from ecomgpt.sources.records import Record
from ecomgpt.tasks.answers import parse, render
from ecomgpt.tasks.declaration import LANGUAGES, SLOT, Task, applies
from ecomgpt.tasks.draft import Context, Draft
from ecomgpt.tasks.instruction import Instruction
from ecomgpt.tasks.pool import Pool
from ecomgpt.tasks.prompt import instruction_prompt

if TYPE_CHECKING:
    from ecomgpt.sources.dataset import Dataset

BLOCK = 4096
"""Records that are a pool for recombination: enough for hard negatives, little enough for flat memory."""

CONSTRAINED = 0.5
"""The share of rows that carry the task's output constraint, so that a model can do with it and without."""


@dataclass
class TaskCounts:
    """``records`` were seen; ``offered == made + sum(dropped)``, a record without any instruction counting as one."""

    records: int = 0
    offered: int = 0
    made: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, other: "TaskCounts") -> None:
        """The same task's counts on more records."""
        self.records += other.records
        self.offered += other.offered
        self.made += other.made
        self.dropped += other.dropped


def instructions(
    dataset: "Dataset",
    records: Iterable[Record],
    tasks: Sequence[Task],
    seed: int,
    counts: dict[str, TaskCounts],
    split: str | None = None,
) -> Iterator[Instruction]:
    """Every instruction that a dataset's records give under the tasks that apply to it.

    Args:
        dataset: The declaration that the records come from.
        records: A stream; `BLOCK` records are held at a time.
        tasks: Those that do not apply are passed over.
        seed: Of the run.
        counts: Filled by full task name, ``<dataset>.<task>``.
        split: Where the instructions belong; None for where the records' authors put them.

    Raises:
        UserError: If a wording has a slot that its builder does not fill.
    """
    by_kind: dict[str, list[_Maker]] = {}
    for task in tasks:
        if applies(task, dataset):
            maker = _Maker(dataset, task, seed, split)
            counts.setdefault(maker.full_name, maker.counts)
            maker.counts = counts[maker.full_name]
            by_kind.setdefault(task.record, []).append(maker)
    stream = iter(records)
    while block := list(islice(stream, BLOCK)):
        pool = Pool(block)
        for record in block:
            for maker in by_kind.get(type(record).__name__, ()):
                yield from maker.make(record, pool)


class _Maker:
    """One task on one dataset."""

    def __init__(self, dataset: "Dataset", task: Task, seed: int, split: str | None) -> None:
        self.dataset, self.task, self.seed, self.split = dataset, task, seed, split
        self.full_name = f"{dataset.name}.{task.name}"
        self.counts = TaskCounts()
        self.build = task.function()
        self.wordings = {language: [_cut(text) for text in task.instructions[language]] for language in LANGUAGES}
        self.first = {"en": 0, "zh": len(self.wordings["en"])}
        self.candidates = {language: tuple(task.candidates.get(language, ())) for language in LANGUAGES}

    def make(self, record: Record, pool: Pool) -> Iterator[Instruction]:
        row_id = f"{self.full_name}/{record.id}"
        random = Random(f"{self.seed}/{row_id}")
        # English texts get English wordings; Chinese texts both, as in the released data.
        language = "zh" if record.language == "zh" and random.random() < 0.5 else "en"
        context = Context(self.dataset, self.task.options, self.candidates[language], language == "zh", random, pool)
        built = self.build(record, context)
        self.counts.records += 1
        if isinstance(built, str):
            self._drop(built)
            return
        drafts = built if isinstance(built, list) else [built]
        if len(drafts) > self.task.most:
            drafts = random.sample(drafts, self.task.most)
        for number, draft in enumerate(drafts):
            made = self._word(draft, record, language, random, row_id if len(drafts) == 1 else f"{row_id}#{number}")
            if isinstance(made, str):
                self._drop(made)
            else:
                self.counts.offered += 1
                self.counts.made += 1
                yield made

    def _drop(self, reason: str) -> None:
        self.counts.offered += 1
        self.counts.dropped[reason] += 1

    def _word(self, draft: Draft, record: Record, language: str, random: Random, row_id: str) -> Instruction | str:
        task = self.task
        candidates = _offered(draft, task, random)
        answer: Sequence = draft.answer
        if task.form == "typed_spans":
            answer = tuple(item for type_ in candidates for item in answer if item[0] == type_)
        elif task.form == "labels":
            answer = tuple(label for label in candidates if label in answer)
        reason = _unfit(task, draft, answer)
        if reason:
            return reason
        target = render(task.form, answer, candidates, task.separator)
        wordings = self.wordings[language]
        index = int(random.random() * len(wordings))
        slots = draft.slots
        slots["candidates"] = ", ".join(candidates)
        try:
            wording = "".join([slots[part] if odd else part for part, odd in wordings[index]])
        except KeyError as error:
            raise UserError(
                f"task '{task.name}': a wording in '{language}' uses the slot {{{error.args[0]}}}; "
                f"{task.build} fills {', '.join(sorted(slots))}"
            ) from None
        if language in task.constraint and random.random() < CONSTRAINED:
            wording += task.constraint[language] if language == "zh" else " " + task.constraint[language]
        return Instruction(
            id=row_id,
            task=self.full_name,
            source=self.dataset.name,
            group=record.group,
            split=record.split if self.split is None else self.split,
            language=record.language,
            prompt=instruction_prompt(task.definition, wording, draft.input),
            target=target,
            candidates=candidates,
            form=task.form,
            wording=self.first[language] + index,
        )


def _cut(wording: str) -> list[tuple[str, bool]]:
    """A wording as (text, whether it is a slot's name) parts, so that braces in data are never read as slots."""
    return [(part, bool(position % 2)) for position, part in enumerate(SLOT.split(wording))]


def _offered(draft: Draft, task: Task, random: Random) -> tuple[str, ...]:
    """The candidates as shown: a large set sampled down around the right answers, then shuffled."""
    if not task.shows_candidates:
        return tuple(draft.candidates)
    shown = list(draft.candidates)
    if len(shown) > task.max_candidates:
        right = {item if isinstance(item, str) else item[0] for item in draft.answer}
        wrong = [candidate for candidate in shown if candidate not in right]
        shown = [candidate for candidate in shown if candidate in right]
        shown += random.sample(wrong, max(0, min(len(wrong), task.max_candidates - len(shown))))
    random.shuffle(shown)
    return tuple(shown)


@lru_cache(maxsize=1024)
def _tidy(candidates: tuple[str, ...]) -> bool:
    return all(name and name == name.strip() for name in candidates)


@lru_cache(maxsize=8192)
def _readable(label: str, candidates: tuple[str, ...]) -> bool:
    """Whether a label is read back as itself; remembered, because most tasks ask from one set all the time."""
    parsed = parse("label", label, candidates)
    return parsed.valid and parsed.items == (label,)


def _unfit(task: Task, draft: Draft, answer: Sequence) -> str:
    """Why a draft must not become a row; empty if it may."""
    if not draft.input.strip():
        return "the input is empty"
    if task.form in ("label", "text") and not (answer and answer[0].strip()):
        return "the answer is empty"
    if not _tidy(tuple(draft.candidates)):
        return "a candidate is empty or padded with white space"
    if len(answer) != len(draft.answer):
        return "the answer is not among the candidates"
    if task.form == "label" and draft.candidates:
        if answer[0] not in draft.candidates:
            return "the answer is not among the candidates"
        if len(draft.candidates) < 2:
            return "there is only one candidate"
        if answer[0] in draft.slots.values():
            return "the wording gives the answer away"
        return "" if _readable(answer[0], tuple(draft.candidates)) else "the answer cannot be read back"
    elif task.form == "text":
        if task.hidden and answer[0] in draft.input:
            return "the answer stands in the input"
        if any(answer[0] in value for value in draft.slots.values()):
            return "the wording gives the answer away"
        return "" if answer[0] == answer[0].strip() else "the answer is padded with white space"
    elif any(answer == (value,) for value in draft.slots.values()):
        return "the wording gives the answer away"
    # The order of the declared set serves the check as well and keeps the parser's own index warm.
    declared = tuple(draft.candidates)
    ordered = answer
    if task.form == "typed_spans":
        ordered = tuple(item for type_ in declared for item in answer if item[0] == type_)
    target = render(task.form, ordered, declared, task.separator)
    parsed = parse(task.form, target, declared, task.separator)
    if parsed.valid and parsed.items == tuple(ordered):
        return ""
    return "a term holds the separator" if len(parsed.items) > len(ordered) else "the answer cannot be read back"
