"""Tasks on questions: answer them, tell whether a context answers them, and lead back from the answer."""

import re
from collections.abc import Callable

from ecomgpt.sources.records import Question
from ecomgpt.tasks.draft import CHOICES, TOO_COMMON, Built, Context, Draft, one_line, pick
from ecomgpt.tasks.pool import overlap, points_to, states

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]*")
_NO_ANSWER = "the question has no answer, or no context that gives it"
_NO_PRODUCT = "the question's product is not known"
_NO_OTHER = "no question about something else in the block"


def answer(record: Question, context: Context) -> Built:
    """The answer from the context."""
    if not record.answers or not record.context:
        return _NO_ANSWER
    return Draft(context.fields(Context=record.context, Question=record.question), (record.answers[0].strip(),))


def extract(record: Question, context: Context) -> Built:
    """The answer in the context's own words."""
    return answer(record, context) if record.extractive else "the answer is not a part of the context"


def answer_of_product(record: Question, context: Context) -> Built:
    """The answer from the product's title alone, where the title tells it."""
    if not record.answers or not record.product:
        return "no answer, or the product is not known"
    if not _told(record.answers[0], record):
        return "the product's title does not tell the answer"
    return Draft(context.fields(Product=record.product, Question=record.question), (record.answers[0].strip(),))


def relevance(record: Question, context: Context) -> Built:
    """How far the context answers the question."""
    if not record.relevance or not record.context:
        return "the source does not say how far the context answers"
    if context.too_common(record, "relevance", lambda other: other.relevance or None):
        return TOO_COMMON
    shown = context.fields(Context=record.context, Question=record.question)
    return Draft(shown, (record.relevance,), context.labels("relevance", record.language))


def answerable(record: Question, context: Context) -> Built:
    """Whether the context answers the question at all."""
    holds = _answers(record, context)
    if holds is None:
        return "the source does not say whether the context answers"
    if context.too_common(record, "answerable", lambda other: _answers(other, context)):
        return TOO_COMMON
    return context.yes_no(context.fields(Context=record.context, Question=record.question), holds)


def sentence(record: Question, context: Context) -> Built:
    """The sentence of the context that holds the answer."""
    if not record.extractive or not record.answers:
        return "the answer is not a part of the context"
    sentences = [text.strip() for text in _SENTENCE.findall(record.context) if record.answers[0] in text]
    if len(sentences) != 1 or sentences[0] == record.context.strip():
        return "the answer does not stand in exactly one of several sentences"
    return Draft(context.fields(Context=record.context, Question=record.question), (sentences[0],))


def question_of_answer(record: Question, context: Context) -> Built:
    """The question that the answer belongs to."""
    if not record.answers:
        return _NO_ANSWER
    fields = {"Context": record.context} if record.context and context.coin() else {}
    return Draft(context.fields(**fields, Answer=record.answers[0]), (record.question.strip(),))


def question_of_context(record: Question, context: Context) -> Built:
    """A question that the context answers."""
    if not record.context or not _answers(record, context):
        return _NO_ANSWER
    return Draft(context.fields(Context=record.context), (record.question.strip(),))


def question_of_product(record: Question, context: Context) -> Built:
    """A question that a customer may ask about the product."""
    return Draft(context.fields(Product=record.product), (record.question.strip(),)) if record.product else _NO_PRODUCT


def context_of_answer(record: Question, context: Context) -> Built:
    """A text of the shop from which the question could be answered so."""
    if not record.context or not _answers(record, context) or not record.answers:
        return _NO_ANSWER
    return Draft(context.fields(Question=record.question, Answer=record.answers[0]), (record.context.strip(),))


def pick_answer(record: Question, context: Context) -> Built:
    """Which of several real answers is the question's."""
    if not record.answers:
        return _NO_ANSWER
    others = _foreign(record, context, lambda other: _other_answer(other, record))
    given = _evidence(record, context)
    return pick(
        context, record.answers[0], [other.answers[0] for other in others], "Answers", **given, Question=record.question
    )


def answer_fits(record: Question, context: Context) -> Built:
    """Whether an answer is the question's or another one's."""
    if not record.answers:
        return _NO_ANSWER
    others = _foreign(record, context, lambda other: _other_answer(other, record), 1)
    if not others:
        return _NO_OTHER
    holds = context.coin()
    text = (record if holds else others[0]).answers[0]
    shown = context.fields(**_evidence(record, context), Question=record.question, Answer=text)
    return context.yes_no(shown, holds)


def pick_context(record: Question, context: Context) -> Built:
    """Which of several real documents answers the question."""
    if not record.context or not _answers(record, context):
        return _NO_ANSWER
    # What people judged irrelevant for this very question is the hardest distractor.
    judged = [
        other.context
        for other in context.pool.same(record, "question", lambda other: other.question)
        if _answers(other, context) is False and not any(text in other.context for text in record.answers)
    ]
    others = _foreign(record, context, lambda other: _irrelevant(other.context, record))
    wrong = (judged + [other.context for other in others])[: CHOICES - 1]
    return pick(context, record.context, wrong, "Documents", Question=record.question)


def pick_question(record: Question, context: Context) -> Built:
    """Which of several real questions the context answers."""
    if not record.context or not _answers(record, context):
        return _NO_ANSWER
    others = _foreign(record, context, lambda other: _irrelevant(record.context, other))
    return pick(context, record.question, [other.question for other in others], "Questions", Context=record.context)


def question_fits(record: Question, context: Context) -> Built:
    """Whether a question belongs to a context or comes from another product."""
    if not record.context or not _answers(record, context):
        return _NO_ANSWER
    others = _foreign(record, context, lambda other: _irrelevant(record.context, other), 1)
    if not others:
        return _NO_OTHER
    holds = context.coin()
    text = (record if holds else others[0]).question
    return context.yes_no(context.fields(Context=record.context, Question=text), holds)


def pick_product(record: Question, context: Context) -> Built:
    """Which product the question is asked about."""
    if not record.product:
        return _NO_PRODUCT
    others = _foreign(record, context, lambda other: bool(other.product) and _irrelevant(other.product, record))
    wrong = [other.product for other in others]
    if not points_to(record.question, record.product, wrong):
        return "the question does not tell its product from others"
    return pick(context, record.product, wrong, "Products", Question=record.question)


def _answers(record: Question, context: Context) -> bool | None:
    """Whether the context answers the question; None where the source does not say, or says: in part."""
    if not record.context:
        return None
    labels = context.labels("relevance", record.language)
    if record.relevance and len(labels) > 1:
        # The labels are declared from the most to the least relevant.
        return True if record.relevance == labels[0] else False if record.relevance == labels[-1] else None
    if record.relevance:
        return None
    return bool(record.answers)


def _told(text: str, record: Question) -> bool:
    """Whether title and question hold an answer: word for word, or nearly all of its words and every number."""
    known = f"{record.product} {record.question}"
    invented = set(re.findall(r"\d+", text)) - set(re.findall(r"\d+", known))
    return states(record.product, text) or (overlap(text, known) >= 0.75 and not invented)


def _foreign(
    record: Question, context: Context, fits: Callable[[Question], bool], count: int = CHOICES - 1
) -> list[Question]:
    """Questions about another product, with another wording and another context."""

    def foreign(other: Question) -> bool:
        return (
            other.group != record.group
            and one_line(other.question).casefold() != one_line(record.question).casefold()
            and (not other.context or other.context != record.context)
            and (not other.product or other.product != record.product)
            and fits(other)
        )

    return context.others(record, foreign, count)


def _other_answer(other: Question, record: Question) -> bool:
    """Whether another question's answer can't be this one's: it is none of its answers and not in its context."""
    if not other.answers:
        return False
    theirs = other.answers[0].casefold()
    return theirs not in record.context.casefold() and theirs not in (text.casefold() for text in record.answers)


def _evidence(record: Question, context: Context) -> dict[str, str]:
    """What decides which of two answers is right: without it, "black" and "white" answer the same question."""
    if record.context and _answers(record, context):
        return {"Context": record.context}
    return {"Product": record.product} if record.product else {}


def _irrelevant(text: str, record: Question) -> bool:
    """Whether a text can hardly answer a question: it is not empty and shares no answer and few words with it."""
    if not text or any(answer_text in text for answer_text in record.answers):
        return False
    return overlap(record.question, text) <= 0.5
