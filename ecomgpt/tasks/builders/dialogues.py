"""Tasks on conversations: what they are about, what an utterance wants, and what comes next.

The option ``axis`` names the labels, of the whole conversation or of its turns.
"""

import re

from ecomgpt.common.text import HAN
from ecomgpt.sources.records import Dialogue, Turn
from ecomgpt.tasks.builders.labelled import label_of, labels_of
from ecomgpt.tasks.draft import CHOICES, Built, Context, Draft, one_line, pick

CUSTOMERS = ("Customer", "顾客")
"""How the datasets' declarations call the customer."""

HISTORY = 8
"""Turns that a model sees before the one in question."""
SMALL_TALK = frozenset(
    {"greet", "greeting", "thank", "give information", "interaction management", "打招呼", "感谢", "提供信息"}
)
"""Intents of utterances that do not tell what a conversation is about."""

SHORTEST_MESSAGE = 5
"""Words (in Chinese: characters) that an utterance without labels needs to say what it is about."""

_WORDS = re.compile(f"[{HAN}]|[A-Za-z']+")
_UNLABELLED = "no single label on this axis"
_SHORT = "the conversation is too short"
_NO_OTHER = "no utterance of another conversation that certainly does not fit"

TRIES_A_RIVAL = 3
"""Conversations that are looked at for each distractor."""


def classify(record: Dialogue, context: Context) -> Built:
    """The label of the whole conversation."""
    label = label_of(record, context)
    return Draft(_shown(record.turns), (label,), labels_of(record, context)) if label else _UNLABELLED


def is_label(record: Dialogue, context: Context) -> Built:
    """Whether a given label of the conversation is right. Slot: label."""
    label = label_of(record, context)
    wrong = [name for name in labels_of(record, context) if name != label]
    if not label or not wrong:
        return _UNLABELLED
    return context.check(_shown(record.turns), label, wrong, "label")


def first_message(record: Dialogue, context: Context) -> Built:
    """The label of the conversation, from the customer's first words alone."""
    label = label_of(record, context)
    first = next((turn for turn in record.turns[:6] if turn.speaker in CUSTOMERS and _says_something(turn)), None)
    return Draft(_shown((first,)), (label,), labels_of(record, context)) if label and first else _UNLABELLED


def turn_labels(record: Dialogue, context: Context) -> Built:
    """The labels of single utterances, with what was said before."""
    names = labels_of(record, context)
    drafts = [
        Draft(_shown(record.turns[max(0, at - HISTORY) : at + 1]), found, names)
        for at, found in _labelled_turns(record, context)
    ]
    return drafts or _UNLABELLED


def turn_label(record: Dialogue, context: Context) -> Built:
    """As `turn_labels`, for utterances with one label: an axis where one is right."""
    built = turn_labels(record, context)
    return [draft for draft in built if len(draft.answer) == 1] or _UNLABELLED if isinstance(built, list) else built


def turn_is_label(record: Dialogue, context: Context) -> Built:
    """Whether the last utterance has a given label. Slot: label."""
    names = labels_of(record, context)
    drafts = []
    for at, found in _labelled_turns(record, context):
        wrong = [name for name in names if name not in found]
        if wrong:
            holds = context.coin()
            asked = context.random.choice(found if holds else wrong)
            shown = _shown(record.turns[max(0, at - HISTORY) : at + 1])
            drafts.append(context.yes_no(shown, holds, label=asked))
    return drafts or _UNLABELLED


def turn_of_label(record: Dialogue, context: Context) -> Built:
    """The next utterance, when its label is given. Slots: label, speaker."""
    drafts = [
        Draft(
            _shown(record.turns[max(0, at - HISTORY) : at]),
            (one_line(record.turns[at].text),),
            slots={"label": ", ".join(found), "speaker": record.turns[at].speaker},
        )
        for at, found in _labelled_turns(record, context)
        if at
    ]
    return drafts or _UNLABELLED


def next_turn(record: Dialogue, context: Context) -> Built:
    """The next utterance. Slot: speaker."""
    drafts = [Draft(before, (one_line(turn.text),), slots={"speaker": turn.speaker}) for before, turn in _steps(record)]
    return drafts or _SHORT


def next_fits(record: Dialogue, context: Context) -> Built:
    """Whether an utterance is the next one or comes from another conversation."""
    drafts = []
    for before, turn in _steps(record):
        others = _other_turns(record, turn, context, 1)
        if others:
            holds = context.coin()
            text = one_line((turn if holds else others[0]).text)
            shown = context.fields(Dialogue="\n" + before, Next_utterance=text)
            drafts.append(context.yes_no(shown, holds))
    return drafts or _NO_OTHER


def pick_next(record: Dialogue, context: Context) -> Built:
    """Which utterance comes next. Slot: speaker."""
    drafts = []
    for before, turn in _steps(record):
        others = [one_line(other.text) for other in _other_turns(record, turn, context, CHOICES - 1)]
        draft = pick(context, turn.text, others, "Candidates", Dialogue="\n" + before)
        if isinstance(draft, Draft):
            draft.slots["speaker"] = turn.speaker
            drafts.append(draft)
    return drafts or _NO_OTHER


def who_speaks(record: Dialogue, context: Context) -> Built:
    """Who says the last line."""
    speakers = tuple(dict.fromkeys(turn.speaker for turn in record.turns))
    if len(speakers) < 2:
        return "only one side speaks"
    drafts = [
        Draft(f"{before}\n?: {one_line(turn.text)}", (turn.speaker,), speakers) for before, turn in _steps(record)
    ]
    return drafts or _SHORT


def in_order(record: Dialogue, context: Context) -> Built:
    """Whether two neighbouring utterances stand in the order in which they were said."""
    at = 1 + int(context.random.random() * (len(record.turns) - 1)) if len(record.turns) > 1 else 0
    pair = record.turns[at - 1 : at + 1] if at else ()
    # Of two lines that one side says in a row, either may come first.
    if not pair or pair[0].speaker == pair[1].speaker or one_line(pair[0].text) == one_line(pair[1].text):
        return _SHORT
    holds = context.coin()
    return context.yes_no(_shown(pair if holds else pair[::-1]), holds)


def _says_something(turn: Turn) -> bool:
    """Whether an utterance is more than a greeting or a bare order number, by its labels where it has some."""
    intents = [name for axis, names in turn.labels if axis == "intent" for name in names]
    if intents:
        return not SMALL_TALK.issuperset(intents)
    return len(_WORDS.findall(turn.text)) >= SHORTEST_MESSAGE


def _labelled_turns(record: Dialogue, context: Context) -> list[tuple[int, tuple[str, ...]]]:
    axis = context.options["axis"]
    return [
        (at, labels) for at, turn in enumerate(record.turns) for name, labels in turn.labels if name == axis and labels
    ]


def _shown(turns: tuple[Turn, ...]) -> str:
    return "\n".join(f"{turn.speaker}: {one_line(turn.text)}" for turn in turns)


def _steps(record: Dialogue) -> list[tuple[str, Turn]]:
    """Each utterance after the first with the history before it."""
    return [
        (_shown(record.turns[max(0, at - HISTORY) : at]), turn)
        for at, turn in enumerate(record.turns)
        if at and turn.text.strip()
    ]


def _other_turns(record: Dialogue, turn: Turn, context: Context, count: int) -> list[Turn]:
    """Utterances of the same speaker from other conversations; none that could also stand in this one."""
    own = {one_line(other.text).casefold() for other in record.turns}
    found: list[Turn] = []
    for other in context.others(record, lambda other: other.group != record.group, TRIES_A_RIVAL * count):
        rivals = [rival for rival in other.turns[2:] if _rival(rival, turn, own) and rival not in found]
        if rivals:
            found.append(context.random.choice(rivals))
            if len(found) == count:
                break
    return found


def _rival(rival: Turn, turn: Turn, own: set[str]) -> bool:
    """Whether another conversation's utterance certainly does not fit; greetings and thanks fit everywhere."""
    if rival.speaker != turn.speaker or one_line(rival.text).casefold() in own or not _says_something(rival):
        return False
    return len(_WORDS.findall(rival.text)) >= SHORTEST_MESSAGE and not set(rival.labels) & set(turn.labels)
