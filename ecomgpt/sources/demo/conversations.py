"""What customers write to the shop: single messages and whole conversations, with intents."""

from ecomgpt.sources.demo.noise import noisy
from ecomgpt.sources.demo.phrases import Writer
from ecomgpt.sources.demo.products import DemoItem, Random, pick
from ecomgpt.sources.demo.vocabulary import Intent, Phrases
from ecomgpt.sources.records import Dialogue, LabelledText, Turn

_SMALL_TALK = "talk"
"""The topic of intents that open, carry and end a conversation but are never what it is about."""


def message(item: DemoItem, random: Random) -> LabelledText:
    """One message of a customer with its intent."""
    intents = item.vocabulary.intents
    intent: Intent = pick(random, intents)
    text = _say(item, random, intent.text, intent.topic != _SMALL_TALK)
    return LabelledText(**item.shared("intent-0"), text=text, labels={"intent": (intent.label,)})


def dialogue(item: DemoItem, random: Random) -> Dialogue:
    """A conversation about one matter; the customer's turns carry intents, the whole carries intent and topic."""
    vocabulary = item.vocabulary
    main: Intent = pick(random, [intent for intent in vocabulary.intents if intent.topic != _SMALL_TALK])
    greet, inform, thank = [intent for intent in vocabulary.intents if intent.topic == _SMALL_TALK]
    turns: list[Turn] = []
    greeted = random() < 0.4
    if greeted:
        turns += _exchange(item, random, greet, greet.reply)
    if main.topic != "before" and random() < 0.6:
        turns += _exchange(item, random, main, vocabulary.talk["dialogue"]["ask_order"], not greeted)
        turns += _exchange(item, random, inform, main.reply)
    else:
        turns += _exchange(item, random, main, main.reply, not greeted)
    if random() < 0.6:
        turns += _exchange(item, random, thank, thank.reply)
    labels: dict[str, tuple[str, ...]] = {"intent": (main.label,), "topic": (vocabulary.topics[main.topic],)}
    return Dialogue(**item.shared("dialogue-0"), turns=tuple(turns), labels=labels)


def _exchange(item: DemoItem, random: Random, intent: Intent, reply: Phrases, opens: bool = False) -> list[Turn]:
    """A customer's turn and the shop's reply to it."""
    style = item.vocabulary.style
    asked = _say(item, random, intent.text, opens)
    writer = Writer(random, item.vocabulary.lexicon)
    writer.sentence(pick(random, reply), item.slots)
    return [Turn(style["customer"], asked, (("intent", (intent.label,)),)), Turn(style["agent"], writer.text)]


def _say(item: DemoItem, random: Random, wording: Phrases, opens: bool) -> str:
    """A customer's message; where it opens a conversation, at times with a greeting or a sentence beside the point."""
    vocabulary, talk = item.vocabulary, item.vocabulary.talk["dialogue"]
    writer = Writer(random, vocabulary.lexicon)
    slots = item.slots | {"order": f"{pick(random, 'ABCD')}{int(random() * 90000 + 10000)}"}
    if opens and random() < 0.3:
        writer.sentence(pick(random, talk["greeting"]), slots, vocabulary.style["after_greeting"])
    if opens and random() < 0.35:
        writer.sentence(pick(random, talk["prefix"]), slots, vocabulary.style["gap"])
    start = len(writer.parts)
    writer.write(pick(random, wording), slots)
    if random() < 0.85:
        writer.capitalise(start)
    if not writer.text.endswith((".", "?", "!", "。", "？", "！", "～")):
        writer.add(vocabulary.style["stop"].strip())
    if opens and random() < 0.25:
        writer.add(vocabulary.style["gap"])
        writer.sentence(pick(random, talk["suffix"]), slots)
    return noisy(writer.text, writer.spans, random, vocabulary.language)
