"""Tasks on labelled texts; the option ``axis`` says which labels: sentiment, category, intent and so on."""

from ecomgpt.sources.records import Dialogue, LabelledText
from ecomgpt.tasks.draft import CHOICES, Built, Context, Draft, listed, one_line, pick

_UNLABELLED = "the text has not exactly one label on this axis"


def classify(record: LabelledText, context: Context) -> Built:
    """The label among all of the axis."""
    label = label_of(record, context)
    return Draft(record.text, (label,), labels_of(record, context)) if label else _UNLABELLED


def is_label(record: LabelledText, context: Context) -> Built:
    """Whether a given label holds. Slot: label."""
    label = label_of(record, context)
    wrong = [other for other in labels_of(record, context) if other != label]
    if not label or not wrong:
        return _UNLABELLED
    return context.check(record.text, label, wrong, "label")


def either(record: LabelledText, context: Context) -> Built:
    """The right one of two labels."""
    label = label_of(record, context)
    wrong = [other for other in labels_of(record, context) if other != label]
    if not label or len(wrong) < 2:
        return "the axis has two labels or fewer" if label else _UNLABELLED
    return Draft(record.text, (label,), (label, context.random.choice(wrong)))


def text_from_label(record: LabelledText, context: Context) -> Built:
    """A text that has the label."""
    label = label_of(record, context)
    return Draft(context.fields(Label=label), (record.text.strip(),)) if label else _UNLABELLED


def same_label(record: LabelledText, context: Context) -> Built:
    """Whether two texts share their label."""
    label = label_of(record, context)
    if not label:
        return _UNLABELLED
    axis = context.options["axis"]
    same = context.pool.same(record, f"labels of {axis}", lambda other: other.labels.get(axis, ()))
    like = context.draw(same, lambda other: other.text != record.text)
    unlike = context.others(record, lambda other: label_of(other, context) not in ("", label))
    if not like or not unlike:
        return "no other text of the same or of another label"
    holds = context.coin()
    other = like[0] if holds else unlike[0]
    texts = listed([one_line(record.text), one_line(other.text)])
    return context.yes_no(texts, holds)


def pick_text(record: LabelledText, context: Context) -> Built:
    """Which of several texts has the label. Slot: label."""
    label = label_of(record, context)
    if not label:
        return _UNLABELLED
    others = context.others(record, lambda other: label_of(other, context) not in ("", label), CHOICES - 1)
    draft = pick(context, record.text, [other.text for other in others], "Texts")
    if isinstance(draft, Draft):
        draft.slots["label"] = label
    return draft


def coarse_of_fine(record: LabelledText, context: Context) -> Built:
    """The label of the axis, when that of a finer axis (option ``given``) is known. Slot: given."""
    label = label_of(record, context)
    given = record.labels.get(context.options["given"], ())
    if not label or len(given) != 1:
        return _UNLABELLED
    return Draft(record.text, (label,), labels_of(record, context), {"given": given[0]})


def label_of(record: LabelledText | Dialogue, context: Context) -> str:
    """The only label of the axis, or nothing."""
    labels = record.labels.get(context.options["axis"], ())
    return labels[0] if len(labels) == 1 else ""


def labels_of(record: LabelledText | Dialogue, context: Context) -> tuple[str, ...]:
    """All labels of the axis."""
    return context.labels(context.options["axis"], record.language)
