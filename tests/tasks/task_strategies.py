"""Hypothesis strategies for every kind of record, and a dataset that declares all axes."""

from hypothesis import strategies as st

from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.records import (
    KINDS,
    Aspect,
    Dialogue,
    Entity,
    EntityText,
    LabelledText,
    Product,
    Question,
    Record,
    Review,
    Search,
    TextPair,
    Transfer,
    Turn,
)

NAMES = {
    "entity": ("Brand", "Product", "Color: main"),
    "polarity": ("positive", "negative", "neutral"),
    "aspect": ("food", "service, staff", "price"),
    "sentiment": ("positive", "negative"),
    "category": ("Books", "Phones", "Pans & pots", "Hats"),
    "coarse_category": ("Home", "Media"),
    "intent": ("refund", "track", "cancel"),
    "rating": ("1", "2", "3"),
    "subjectivity": ("opinion", "fact"),
    "goal": ("search", "chat"),
    "topic": ("toys", "tools"),
    "subject": ("order", "refund", "account"),
    "flow": ("before", "after"),
    "subflow": ("size", "stain", "price"),
    "relation": ("match", "not match"),
    "relevance": ("full", "part", "none"),
}


def dataset(**changes: object) -> Dataset:
    """A made-up dataset with all kinds of records, all axes, and both kinds of labels."""
    fields = {
        "name": "toy",
        "title": "Toy",
        "language": "mul",
        "licence": "none",
        "citation": "none",
        "homepage": "none",
        "obtain": "none",
        "family": "product_classification",
        "records": list(KINDS),
        "reader": "demo",
        "files": {},
        "sides": ["Offer 1", "Offer 2"],
        "labels": {axis: {name: name for name in names} for axis, names in NAMES.items()},
        "options": {"pseudo": "also"},
    }
    return Dataset(**{**fields, **changes})


# Texts as they come: braces, separators, slots, line separators, Chinese, blanks around, and nothing at all.
words = st.one_of(
    st.sampled_from(
        [
            "red",
            "Zorb X-200",
            "{term}",
            "{candidates}",
            "a, b",
            "None",
            "水壶",
            "很好，不错",
            "a\u2028b",
            "yes",
            "12.5",
            "Kettle: big",
            "",
            " pad ",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12),
)
texts = st.lists(words, min_size=1, max_size=6).map(" ".join)


def _one(axis: str) -> st.SearchStrategy[str]:
    return st.sampled_from(NAMES[axis])


def _labels(*axes: str) -> st.SearchStrategy[dict[str, tuple[str, ...]]]:
    return st.fixed_dictionaries({axis: st.lists(_one(axis), max_size=2, unique=True).map(tuple) for axis in axes})


@st.composite
def _entities(draw: st.DrawFn, head: dict) -> EntityText:
    text = draw(texts)
    found = []
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 8)))
        if text[start:end].strip():
            found.append(Entity(draw(_one("entity")), start, end, text[start:end]))
    present = {entity.type for entity in found}
    absent = tuple(name for name in NAMES["entity"] if name not in present and draw(st.booleans()))
    return EntityText(**head, text=text, entities=tuple(found), absent=absent)


@st.composite
def _question(draw: st.DrawFn, head: dict) -> Question:
    answers: tuple[str, ...] = tuple(draw(st.lists(texts, max_size=2)))
    context = draw(texts) + draw(st.sampled_from(["", ". "]))
    stated = draw(st.booleans())
    if answers and stated:
        context += answers[0]
    return Question(
        **head,
        question=draw(texts),
        context=context,
        answers=answers,
        relevance=draw(st.sampled_from(["", *NAMES["relevance"]])),
        product=draw(words),
        extractive=bool(answers) and all(answer in context for answer in answers),
    )


@st.composite
def _review(draw: st.DrawFn, head: dict) -> Review:
    text = draw(texts)
    aspects = []
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        term = text[start : start + 6] if draw(st.booleans()) and text[start : start + 6].strip() else ""
        category = draw(st.sampled_from(["", *NAMES["aspect"]]))
        if term or category:
            aspects.append(
                Aspect(draw(_one("polarity")), term, category, start if term else -1, start + len(term) if term else -1)
            )
    return Review(
        **head, text=text, aspects=tuple(aspects), rating=draw(st.none() | st.integers(1, 5)), product=draw(words)
    )


def _record(draw: st.DrawFn, kind: str, head: dict) -> Record:
    pairs = st.lists(st.tuples(words.filter(str.strip), words.filter(str.strip)), max_size=4).map(tuple)
    if kind == "EntityText":
        return draw(_entities(head))
    if kind == "Question":
        return draw(_question(head))
    if kind == "Review":
        return draw(_review(head))
    if kind == "Product":
        category = draw(st.sampled_from([(), ("Home", "Pans & pots"), ("Media", "Books"), ("Phones",)]))
        return Product(
            **head,
            title=draw(texts),
            category=category,
            brand=draw(words),
            attributes=draw(pairs),
            description=draw(words),
            cluster=draw(st.sampled_from(["", "a", "b"])),
            absent=draw(st.sampled_from([(), ("Sleeve",)])),
        )
    if kind == "LabelledText":
        axes = ("sentiment", "category", "coarse_category", "intent", "rating", "subjectivity", "subject")
        return LabelledText(**head, text=draw(texts), labels=draw(_labels(*axes)))
    if kind == "TextPair":
        return TextPair(**head, left=draw(texts), right=draw(texts), relation=draw(_one("relation")))
    if kind == "Transfer":
        return Transfer(**head, source=draw(texts), target=draw(texts))
    if kind == "Dialogue":
        turn = st.builds(
            Turn,
            speaker=st.sampled_from(["Customer", "Agent"]),
            text=texts,
            labels=_labels("intent", "goal").map(lambda found: tuple(found.items())),
        )
        return Dialogue(
            **head,
            turns=tuple(draw(st.lists(turn, max_size=5))),
            labels=draw(_labels("flow", "subflow", "intent", "topic")),
        )
    results = draw(st.lists(st.tuples(texts, _one("relevance")), max_size=5).map(tuple))
    return Search(**head, query=draw(texts), results=results, intent=draw(pairs))


@st.composite
def blocks(draw: st.DrawFn, kind: str) -> list[Record]:
    """A few records of one kind, with different ids and now and then a shared group."""
    size = draw(st.integers(1, 6))
    return [
        _record(
            draw,
            kind,
            {
                "id": f"r{number}",
                "group": f"g{draw(st.integers(0, 5))}",
                "language": draw(st.sampled_from(["en", "zh"])),
            },
        )
        for number in range(size)
    ]
