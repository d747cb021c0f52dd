"""Answers of a chat model against the text that they are about: what is taken, and why the rest is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecomgpt.chat.messages import ChatReply
from ecomgpt.common.errors import UserError
from ecomgpt.pseudo.answer import Rejected
from ecomgpt.pseudo.declaration import LANGUAGES, SLOT, Labelling, load_labellings
from ecomgpt.pseudo.forms import FORMS, Text
from ecomgpt.sources.records import (
    Aspect,
    Dialogue,
    Entity,
    LabelledText,
    Product,
    Question,
    Record,
    Review,
    Search,
    Turn,
)

HEAD: dict[str, Any] = {"id": "1", "group": "g", "language": "en", "split": "train"}
TITLE = Text(Product(**HEAD, title="Acme red red mug, 300 ml", brand="Acme"), "Acme red red mug, 300 ml")
REVIEW = Text(
    Review(**HEAD, text="The strap broke, the strap is thin.", rating=2), "The strap broke, the strap is thin."
)
QUERY = Text(Search(**HEAD, query="red mug", results=(("a mug", "exact"),)), "red mug")
TALK = Text(
    Dialogue(**HEAD, turns=(Turn("Customer", "hi", (("intent", ("greet",)),)),), labels={"flow": ("x",)}),
    "Customer: hi",
)


def labelling(name: str) -> Labelling:
    return load_labellings([name])[0]


def made(name: str, text: Text, answer: Any) -> Record:
    return labelling(name).record(text, ChatReply(answer if isinstance(answer, str) else json.dumps(answer)))


def test_every_form_has_a_shipped_labelling_whose_prompt_is_complete_in_both_languages() -> None:
    shipped = load_labellings()
    assert {one.form for one in shipped} == set(FORMS)
    for one in shipped:
        for language in LANGUAGES:
            request = one.request("{entity} and {nothing}", language)
            roles = [role for role, _ in request.messages]
            assert (
                roles[0] == "system"
                and roles[-1] == "user"
                and roles[1:-1] == ["user", "assistant"] * (len(roles) // 2 - 1)
            )
            # Slots of the prompt are filled; braces in the text are the text's.
            assert not SLOT.search(request.messages[0][1]) and request.messages[-1][1] == "{entity} and {nothing}"
            assert (
                "JSON" in request.messages[0][1] and request.schema and request.schema["additionalProperties"] is False
            )
    assert len({one.digest() for one in shipped}) == len(shipped)


def test_answers_become_records_with_the_text_and_the_models_labels_alone() -> None:
    entities = made(
        "title_entities", TITLE, {"entities": [{"type": "Color", "term": "red"}, {"type": "Brand", "term": "Acme"}]}
    )
    assert entities.entities == (Entity("Brand", 0, 4, "Acme"), Entity("Color", 5, 8, "red"))  # type: ignore[attr-defined]
    assert (entities.id, entities.group, entities.split) == ("1", "g", "train")
    product = made("product_attributes", TITLE, {"attributes": [{"name": "Color", "value": "red"}]})
    assert product == Product(**HEAD, title=TITLE.text, attributes=(("Color", "red"),))
    review = made(
        "review_aspects", REVIEW, {"aspects": [{"term": "strap", "aspect": "quality", "polarity": "negative"}]}
    )
    assert review == Review(**HEAD, text=REVIEW.text, aspects=(Aspect("negative", "strap", "quality", 4, 9),))
    assert made("review_rating", REVIEW, {"rating": "2"}) == Review(**HEAD, text=REVIEW.text, rating=2)
    assert made("review_sentiment", REVIEW, {"sentiment": "negative"}) == LabelledText(
        **HEAD, text=REVIEW.text, labels={"sentiment": ("negative",)}
    )
    search = made("query_wishes", QUERY, {"wishes": [{"attribute": "Color", "value": "red"}]})
    assert search == Search(**HEAD, query="red mug", results=(), intent=(("Color", "red"),))
    assert made("dialogue_topic", TALK, {"topic": "other"}) == Dialogue(
        **HEAD, turns=(Turn("Customer", "hi"),), labels={"topic": ("other",)}
    )
    question = made("question_answer", TITLE, {"question": "How large?", "answer": "300 ml"})
    assert question == Question(
        **HEAD,
        question="How large?",
        context=TITLE.text,
        answers=("300 ml",),
        product="Acme red red mug, 300 ml",
        extractive=True,
    )


def test_nothing_found_is_an_answer_and_a_repetition_counts_once() -> None:
    assert made("title_entities", TITLE, {"entities": []}).entities == ()  # type: ignore[attr-defined]
    twice = {"entities": [{"type": "Color", "term": "red"}] * 2}
    assert len(made("title_entities", TITLE, twice).entities) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("fence", ["{}", " \n{}\n", "```json\n{}\n```", "```\n{}\n```\n", "```JSON \n{}\n ```"])
def test_a_code_fence_is_forgiven(fence: str) -> None:
    assert made("review_rating", REVIEW, fence.replace("{}", '{"rating": "5"}')).rating == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "text", "answer", "reason"),
    [
        ("review_rating", REVIEW, "", "an empty answer"),
        ("review_rating", REVIEW, " \n", "an empty answer"),
        ("review_rating", REVIEW, 'Sure! {"rating": "5"}', "no JSON"),
        ("review_rating", REVIEW, '{"rating": "5"', "no JSON"),
        ("review_rating", REVIEW, '```json\n{"rating": "5"}\n``` I hope this helps', "no JSON"),
        ("review_rating", REVIEW, "[" * 100_000, "no JSON"),
        ("review_rating", REVIEW, '{"rating": "5", "rating": "1"}', "no JSON"),
        ("review_rating", REVIEW, "{'rating': '5'}", "no JSON"),
        ("review_rating", REVIEW, {"rating": 5}, "an empty or padded field"),
        ("review_rating", REVIEW, {"rating": "6"}, "a label that was not offered"),
        ("review_rating", REVIEW, {"stars": "5"}, "JSON of another shape"),
        ("review_rating", REVIEW, [], "JSON of another shape"),
        ("review_rating", REVIEW, {"rating": "5", "why": "so"}, "JSON of another shape"),
        ("review_rating", REVIEW, "null", "JSON of another shape"),
        ("review_sentiment", REVIEW, {"sentiment": "Negative"}, "a label that was not offered"),
        ("review_sentiment", REVIEW, {"sentiment": "负面"}, "a label that was not offered"),
        ("title_entities", TITLE, {"entities": {"type": "Color", "term": "red"}}, "JSON of another shape"),
        ("title_entities", TITLE, {"entities": ["red"]}, "JSON of another shape"),
        ("title_entities", TITLE, [{"type": "Color", "term": "red"}], "JSON of another shape"),
        ("title_entities", TITLE, {"entities": [{"type": "Color", "term": "Red"}]}, "words that are not in the text"),
        (
            "title_entities",
            TITLE,
            {"entities": [{"type": "Color", "term": "red"}, {"type": "Material", "term": "steel"}]},
            "words that are not in the text",
        ),
        (
            "title_entities",
            TITLE,
            {"entities": [{"type": "Color", "term": "red"}, {"type": "Brand", "term": "red"}]},
            "one term under two labels",
        ),
        ("title_entities", TITLE, {"entities": [{"type": "Color", "term": " red"}]}, "an empty or padded field"),
        ("title_entities", TITLE, {"entities": [{"type": "Color", "term": ""}]}, "an empty or padded field"),
        (
            "product_attributes",
            TITLE,
            {"attributes": [{"name": "Color", "value": "blue"}]},
            "words that are not in the text",
        ),
        (
            "product_attributes",
            TITLE,
            {"attributes": [{"name": "Color: what", "value": "red"}]},
            "an attribute's name that is none",
        ),
        (
            "review_aspects",
            REVIEW,
            {"aspects": [{"term": "strap", "aspect": "quality", "polarity": p} for p in ("positive", "negative")]},
            "one term under two labels",
        ),
        (
            "query_wishes",
            QUERY,
            {"wishes": [{"attribute": "Color", "value": "blue"}]},
            "words that are not in the text",
        ),
        (
            "question_answer",
            TITLE,
            {"question": "Is it 300 ml?", "answer": "300 ml"},
            "the question gives the answer away",
        ),
        ("question_answer", TITLE, {"question": "How large?", "answer": "300ml"}, "words that are not in the text"),
        ("question_answer", TITLE, '{"question": "How \\ud800?", "answer": "red"}', "characters that are no text"),
    ],
)
def test_everything_else_is_rejected_with_its_reason(name: str, text: Text, answer: Any, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        made(name, text, answer)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (ChatReply('{"rating": "5"}', finish="length"), "cut off at the token limit"),
        (ChatReply("", finish="refusal"), "refused"),
        (ChatReply("", finish="content_filter"), "stopped by the endpoint's content filter"),
        (ChatReply(finish="bad_request", failure="HTTP 400: too long"), "a request that the endpoint does not take"),
        (ChatReply(failure="HTTP 500, 3 times"), "no answer from the endpoint"),
    ],
)
def test_an_answer_that_did_not_come_whole_is_none(reply: ChatReply, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        labelling("review_rating").record(REVIEW, reply)
    assert caught.value.reason == reason


def test_only_a_wrong_example_or_set_of_labels_is_told_with_its_file(tmp_path: Path) -> None:
    from ecomgpt.config.roots import shipped

    (tmp_path / "pseudo").mkdir()
    good = "name: review_rating\n" + (shipped("conf") / "pseudo" / "review_rating.yaml").read_text()
    file = tmp_path / "pseudo" / "stars.yaml"
    for old, new, says in (
        ('{rating: "4"}', '{rating: "9"}', "'examples.en[0]' would be rejected: a label that was not offered"),
        ("name: review_rating", "name: star", "the name is 'star', but the file is called 'stars'"),
        ("  rating:\n", "  ratings:\n", "'axes.rating.en' needs at least two labels"),
        ("{rating}.", "{ratings}.", "has the slot {ratings}"),
        ("field: text", "field: texts", "'texts[0]' needs"),
        ("form: rating", "form: ratings", "did you mean 'rating'?"),
    ):
        file.write_text(
            good.replace("name: review_rating", "name: stars").replace(
                old if "name:" not in old else "name: stars", new
            )
        )
        with pytest.raises(UserError) as caught:
            load_labellings(None, str(tmp_path))
        assert any(problem.startswith(str(file)) and says in problem for problem in caught.value.problems), (
            caught.value.problems
        )
    file.write_text(good.replace("name: review_rating", "name: stars"))
    assert "stars" in [one.name for one in load_labellings(None, str(tmp_path))]
