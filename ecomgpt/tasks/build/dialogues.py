"""Tasks on conversations: what they are about, what an utterance wants, and what comes next.

The option ``axis`` names the labels, of the whole conversation or of its turns.
"""

from ecomgpt.sources.records import Dialogue, Turn
from ecomgpt.tasks.draft import CHOICES, Built, Context, Draft, one_line, pick
from ecomgpt.tasks.pool import draw

CUSTOMERS = ("Customer", "顾客")
"""How the datasets' declarations call the customer."""

HISTORY = 8
"""Turns that a model sees before the one in question."""


def classify(record: Dialogue, context: Context) -> Built:
    """The label of the whole conversation."""
    label = _label(record, context)
    return Draft(_shown(record.turns), (label,), _candidates(record, context)) if label else _UNLABELLED


def is_label(record: Dialogue, context: Context) -> Built:
    """Whether a given label of the conversation is right. Slot: label."""
    label = _label(record, context)
    wrong = [name for name in _candidates(record, context) if name != label]
    if not label or not wrong:
        return _UNLABELLED
    holds = context.coin()
    asked = label if holds else context.random.choice(wrong)
    return Draft(_shown(record.turns), context.verdict(holds), context.candidates, {"label": asked})


def first_message(record: Dialogue, context: Context) -> Built:
    """The label of the conversation, from the customer's first words alone."""
    label = _label(record, context)
    customer = [turn for turn in record.turns if turn.speaker in CUSTOMERS][:2]
    # The very first one is often no more than a greeting.
    longest = max(customer, key=lambda turn: len(turn.text), default=None)
    return Draft(_shown((longest,)), (label,), _candidates(record, context)) if label and longest else _UNLABELLED


def turn_labels(record: Dialogue, context: Context) -> Built:
    """The labels of single utterances, with what was said before."""
    names = _candidates(record, context)
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
    names = _candidates(record, context)
    drafts = []
    for at, found in _labelled_turns(record, context):
        wrong = [name for name in names if name not in found]
        if wrong:
            holds = context.coin()
            asked = context.random.choice(found if holds else wrong)
            shown = _shown(record.turns[max(0, at - HISTORY) : at + 1])
            drafts.append(Draft(shown, context.verdict(holds), context.candidates, {"label": asked}))
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
            drafts.append(Draft(shown, context.verdict(holds), context.candidates))
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
    if not at or one_line(record.turns[at].text) == one_line(record.turns[at - 1].text):
        return _SHORT
    holds = context.coin()
    pair = record.turns[at - 1 : at + 1]
    return Draft(_shown(pair if holds else pair[::-1]), context.verdict(holds), context.candidates)


_UNLABELLED = "no single label on this axis"
_SHORT = "the conversation is too short"
_NO_OTHER = "no utterance of another conversation that certainly does not fit"


def _label(record: Dialogue, context: Context) -> str:
    labels = record.labels.get(context.options["axis"], ())
    return labels[0] if len(labels) == 1 else ""


def _candidates(record: Dialogue, context: Context) -> tuple[str, ...]:
    return context.labels(context.options["axis"], record.language)


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
    """Utterances of the same speaker from other conversations; none that also occurs in this one."""
    own = {one_line(other.text).casefold() for other in record.turns}
    found = draw(
        context.random,
        context.pool.same(record),
        lambda other: other.group != record.group and _rival(other, turn, own, context) is not None,
        count,
    )
    return [rival for other in found if (rival := _rival(other, turn, own, context))]


def _rival(other: Dialogue, turn: Turn, own: set[str], context: Context) -> Turn | None:
    """The first long utterance of the other conversation's same speaker: greetings fit everywhere and are short."""
    for rival in other.turns[1:]:
        if rival.speaker == turn.speaker and len(rival.text) > 15 and one_line(rival.text).casefold() not in own:
            return rival
    return None
