"""Asks, checks and writes: one labelling of one dataset at a time."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecomgpt.chat.client import Chat
from ecomgpt.chat.ledger import OverBudget, price
from ecomgpt.chat.messages import ChatReply, Request
from ecomgpt.common.files import write_bytes, write_json
from ecomgpt.common.hashing import file_hash
from ecomgpt.common.jsonl import encode_line
from ecomgpt.common.progress import track
from ecomgpt.pseudo.answer import Rejected
from ecomgpt.pseudo.choose import LabellingWork
from ecomgpt.sources.readers.labelled import to_json
from ecomgpt.sources.records import Record


@dataclass
class Labelled:
    """What became of the texts of one piece of work.

    Attributes:
        records: Accepted, in the order of the texts.
        rejects: (text's position, reason, detail, answer).
        replies: All answers that came.
    """

    work: LabellingWork
    records: list[Record] = field(default_factory=list)
    rejects: list[tuple[int, str, str, str]] = field(default_factory=list)
    replies: list[ChatReply] = field(default_factory=list)

    @property
    def reasons(self) -> Counter[str]:
        """Rejected answers by reason."""
        return Counter(reason for _, reason, _, _ in self.rejects)

    @property
    def unanswered(self) -> int:
        """Texts that were not asked about, because the budget was spent, or that got no answer after all retries."""
        return len(self.work.texts) - sum(not reply.failure or reply.finish == "bad_request" for reply in self.replies)


def requests(work: LabellingWork) -> Iterable[Request]:
    """The questions of a piece of work, in the order of its texts."""
    return (work.labelling.request(text.text, text.record.language) for text in work.texts)


def label(chat: Chat, work: LabellingWork) -> tuple[Labelled, OverBudget | None]:
    """Asks about every text and checks every answer.

    Returns:
        The outcome, and the budget's message where it stopped the work; what was answered by then is in the outcome.
    """
    replies: dict[int, ChatReply] = {}
    stopped = None
    try:
        answers = chat.ask(requests(work))
        for index, reply in track(answers, f"labelling {work.name}", len(work.texts), chat.ledger.spent):
            replies[index] = reply
    except OverBudget as error:
        stopped = error
    return check(work, replies), stopped


def check(work: LabellingWork, replies: dict[int, ChatReply]) -> Labelled:
    """Makes records of the answers that hold against their texts."""
    found = Labelled(work, replies=[replies[index] for index in sorted(replies)])
    for index in sorted(replies):
        try:
            found.records.append(work.labelling.record(work.texts[index], replies[index]))
        except Rejected as error:
            found.rejects.append((index, error.reason, error.detail, replies[index].text))
    return found


def write(found: Labelled, folder: Path, chat: Chat, official_test: bool) -> dict[str, Any]:
    """Writes records, rejected answers and the manifest, each in one step.

    Args:
        found: The outcome.
        folder: ``<paths.pseudo>/<dataset>``.
        chat: For the model's side of the provenance.
        official_test: Whether the dataset comes with a test split.

    Returns:
        The manifest.
    """
    name, texts = found.work.labelling.name, found.work.texts
    rejects = [
        {"id": texts[index].record.id, "reason": reason, "detail": detail, "text": texts[index].text, "answer": answer}
        for index, reason, detail, answer in found.rejects
    ]
    manifest = provenance(found, chat, official_test)
    # The records come last but one and the manifest last: a reader that finds it finds what it speaks of.
    write_bytes(folder / f"{name}.rejected.jsonl", b"".join(map(encode_line, rejects)))
    write_bytes(folder / f"{name}.jsonl", b"".join(encode_line(to_json(record)) for record in found.records))
    manifest["checksum"] = file_hash(folder / f"{name}.jsonl")
    write_json(folder / f"{name}.manifest.json", manifest)
    return manifest


def provenance(found: Labelled, chat: Chat, official_test: bool) -> dict[str, Any]:
    """Who labelled what, with which prompt and when, and what became of every text."""
    work, settings = found.work, chat.settings
    labelling = work.labelling
    answered = [reply for reply in found.replies if not reply.failure]
    tokens = [sum(getattr(reply, name) for reply in answered) for name in ("prompt_tokens", "answer_tokens")]
    dates = sorted(reply.date for reply in answered)
    return {
        "dataset": work.dataset.name,
        "labelling": labelling.name,
        "title": labelling.title,
        "family": labelling.family,
        "record": labelling.made.becomes.__name__,
        "axes": labelling.axes,
        "official_test": official_test,
        "model": settings.model,
        "served_models": sorted({reply.model for reply in answered}),
        "endpoint": settings.base_url,
        "prompt": labelling.digest(),
        "parameters": {
            "temperature": settings.temperature,
            "seed": settings.seed,
            "max_tokens": labelling.max_tokens,
            "structured": settings.structured,
            **settings.extra,
        },
        "answered": {"first": dates[0], "last": dates[-1]} if dates else None,
        "complete": not found.unanswered,
        "texts": {
            "offered": work.offered,
            "left_out": dict(sorted(work.left_out.items())),
            "chosen": len(work.texts),
            "labelled": len(found.records),
            "rejected": dict(sorted(found.reasons.items())),
            "not_asked": len(work.texts) - len(found.replies),
        },
        "tokens": {"prompt": tokens[0], "answer": tokens[1]},
        "cost_usd": round(price(settings, *tokens), 6) if settings.price_input is not None else None,
    }
