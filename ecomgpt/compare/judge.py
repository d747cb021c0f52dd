"""An automatic judge: a chat model is asked about every pair twice, with the answers in either order.

A judge that prefers whatever comes first would decide half of the rows by position alone. So a verdict counts only if
both orders give it; all others are ties, and the position bias is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from ecomgpt.chat.client import Chat
from ecomgpt.chat.messages import Request
from ecomgpt.common.errors import UserError
from ecomgpt.common.progress import track
from ecomgpt.compare.pairs import Pair
from ecomgpt.config.declarations import Declaration, load
from ecomgpt.config.roots import declarations
from ecomgpt.pseudo.answer import Rejected, Shape
from ecomgpt.reporting.text import clip
from ecomgpt.tasks.declaration import SLOT

ORDERS = ("ab", "ba")
SHAPE = Shape({"reason": None, "verdict": "verdict"})
PREFERENCES = {"verdict": ("first", "second", "tie")}
SLOTS = {"instruction": (), "question": ("question", "first", "second", "reference"), "reference": ("target",)}
"""The slots that each text of the wording must hold; the instruction may hold any."""
MEANING = {("ab", "first"): "win", ("ab", "second"): "loss", ("ba", "first"): "loss", ("ba", "second"): "win"}


class Wording(Declaration):
    """What the judge is told: ``conf/compare/judge.yaml``."""

    instruction: dict[str, str] = Field(
        description="the system message by language; it asks for JSON with a reason and a verdict"
    )
    question: dict[str, str] = Field(
        description="the user's message by language; slots {question}, {first}, {second}, {reference}"
    )
    reference: dict[str, str] = Field(
        description="what fills {reference} with compare.reference=true, by language; slot {target}"
    )
    max_tokens: int = Field(300, ge=16, description="the longest answer")

    def request(self, pair: Pair, order: str, reference: bool, longest: int) -> Request:
        """The question about a pair; texts are put in once, so that nothing in them is read as a slot."""
        row, language = pair.a.row, pair.a.row.language
        answers = {"a": clip(pair.a.text, longest), "b": clip(pair.b.text, longest)}
        texts = {
            "question": clip(row.prompt.text, longest),
            "first": answers[order[0]],
            "second": answers[order[1]],
            "reference": _fill(self.reference[language], {"target": row.target}) if reference else "",
        }
        system, user = self.instruction[language].strip(), _fill(self.question[language], texts).strip()
        return Request((("system", system), ("user", user)), self.max_tokens, SHAPE.schema(PREFERENCES))


@dataclass(frozen=True)
class Judged:
    """The judge's verdicts on a pair.

    Attributes:
        pair: Which.
        said: Order (``ab``: ``run_a``'s answer first) to ``first``, ``second`` or ``tie``.
        reasons: Order to its words.
    """

    pair: Pair
    said: dict[str, str]
    reasons: dict[str, str]

    @property
    def consistent(self) -> bool:
        """True if both orders give the same verdict."""
        return len({MEANING.get(item, "tie") for item in self.said.items()}) == 1

    @property
    def verdict(self) -> str:
        """The verdict of ``run_a`` that both orders give, else a tie."""
        return MEANING.get(("ab", self.said["ab"]), "tie") if self.consistent else "tie"

    def to_json(self) -> dict[str, Any]:
        """One line of ``judge.jsonl``."""
        own = {"row": self.pair.key, "answers": self.pair.digest, "verdict": self.verdict}
        return own | {"said": self.said, "reasons": self.reasons}


@dataclass(frozen=True)
class Bias:
    """Position bias: how far the order of the answers decided.

    Attributes:
        n: Pairs judged in both orders.
        consistent: Share of pairs with the same verdict in both orders.
        first: Pairs on which the first place won in both orders.
        second: Pairs on which the second place won in both orders.
        first_share: Of all answers that name a winner, how many name the first; 0.5 without bias; None without such
            answers.
    """

    n: int
    consistent: float
    first: int
    second: int
    first_share: float | None


def load_wording(own: str | None) -> Wording:
    """The shipped wording, or the one of the user's own folder.

    Raises:
        UserError: With all its problems.
    """
    path = [path for path in declarations("compare", own) if path.stem == "judge"][-1]
    wording = load(path, Wording, name="judge")
    problems: list[str] = []
    for language in ("en", "zh"):
        for key, slots in SLOTS.items():
            text = getattr(wording, key).get(language)
            if not text:
                problems.append(f"{path}: '{key}.{language}' is missing")
            elif slots and set(SLOT.findall(text)) != set(slots):
                problems.append(f"{path}: '{key}.{language}' needs the slots {', '.join(slots)} and no other")
    if problems:
        raise UserError(*problems)
    return wording


def judge(chat: Chat, requests: Sequence[Request], pairs: Sequence[Pair]) -> tuple[list[Judged], Counter[str]]:
    """Asks about all pairs.

    Args:
        chat: The endpoint.
        requests: What `questions` makes of the pairs.
        pairs: Those whose answers differ.

    Returns:
        The pairs that got a usable answer in both orders, and why the others did not.

    Raises:
        UserError: If no request can succeed, or the budget is spent; answers that came by then are in the cache.
    """
    rejected: Counter[str] = Counter()
    answers: list[dict[str, dict[str, str]]] = [{} for _ in pairs]
    for index, reply in track(chat.ask(requests), "judge", len(requests), chat.ledger.line):
        try:
            answers[index // len(ORDERS)][ORDERS[index % len(ORDERS)]] = SHAPE.items(reply, PREFERENCES)[0]
        except Rejected as error:
            rejected[error.reason] += 1
    judged = []
    for pair, by_order in zip(pairs, answers, strict=True):
        if len(by_order) == len(ORDERS):
            said, reasons = ({order: by_order[order][key] for order in ORDERS} for key in ("verdict", "reason"))
            judged.append(Judged(pair, said, reasons))
    return judged, rejected


def questions(wording: Wording, pairs: Sequence[Pair], reference: bool, longest: int) -> list[Request]:
    """Both orders of each pair, one after the other."""
    return [wording.request(pair, order, reference, longest) for pair in pairs for order in ORDERS]


def bias(judged: Sequence[Judged]) -> Bias | None:
    """The position bias; None where nothing was judged."""
    if not judged:
        return None
    named = [word for one in judged for word in one.said.values() if word != "tie"]
    same_place = Counter(one.said["ab"] for one in judged if one.said["ab"] == one.said["ba"])
    agreed = sum(one.consistent for one in judged)
    share = named.count("first") / len(named) if named else None
    return Bias(len(judged), agreed / len(judged), same_place["first"], same_place["second"], share)


def _fill(text: str, texts: dict[str, str]) -> str:
    return SLOT.sub(lambda slot: texts[slot[1]], text)
