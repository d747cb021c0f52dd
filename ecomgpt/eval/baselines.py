"""Answers that need no model, so that a score means something.

* ``constant``: one answer to every row, the best by the metric of record among the targets of the task's own rows (for
  several labels, among all sets of labels). It looks at the answers, so it is the most that can be had without reading,
  not a rival.
* ``random``: for closed candidates, a random one (or as many as another row has); else random words of the input, as
  many as another row's target has. Its scores are what is expected: means over many draws, for single labels exact.
* ``copy``: the input itself.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from ecomgpt.eval.metrics.names import LOWER_IS_BETTER, metric
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.eval.task import EvalTask
from ecomgpt.tasks.answers import render

BASELINES = ("constant", "random", "copy")
CONSTANTS = {"label": 200, "labels": 200, "spans": 100, "typed_spans": 100, "text": 100}
"""Most constant answers that are tried, by form: the most frequent ones."""
DRAWS = {"label": 20, "labels": 20, "spans": 10, "typed_spans": 10, "text": 3}
"""Random answers per row, by form."""

_PIECE = re.compile(r"[⺀-鿿豈-﫿぀-ヿ]|[^\s⺀-鿿豈-﫿぀-ヿ]+\s?")


def baselines(task: EvalTask, rows: Sequence[EvalRow], seed: int) -> dict[str, dict[str, float]]:
    """What the baselines score on a task.

    Args:
        task: Its declaration, for the metrics.
        rows: Its rows, at least one.
        seed: For ``random``, together with each row's id.

    Returns:
        ``{baseline: {metric: value}}``.
    """
    form = rows[0].form
    drawn = [_values(task, rows, _random_answers(rows, f"{seed}/random/{draw}")) for draw in range(DRAWS[form])]
    expected = {metric: fmean(values[metric] for values in drawn) for metric in drawn[0]}
    if form == "label" and all(row.candidates for row in rows):
        share = fmean(1 / len(row.candidates) for row in rows)
        expected |= {metric: share for metric in ("accuracy", "micro_f1", "exact_match") if metric in expected}
    return {
        "constant": _values(task, rows, [best_constant(task, rows)] * len(rows)),
        "random": expected,
        "copy": _values(task, rows, [row.text for row in rows]),
    }


def best_constant(task: EvalTask, rows: Sequence[EvalRow]) -> str:
    """The answer that scores best by the metric of record where it is given to every row; the first of equals."""
    form = rows[0].form
    tried = [target for target, _ in Counter(row.target for row in rows).most_common(CONSTANTS[form])]
    if form == "labels":
        # Of all sets of one size the most frequent labels find most, so that micro F1 needs no other sets.
        labels = [str(label) for label, _ in Counter(label for row in rows for label in row.gold).most_common()]
        tried += [render("labels", labels[:size], (), rows[0].separator) for size in range(1, len(labels) + 1)]
    elif form in ("spans", "typed_spans"):
        tried.append(render(form, (), rows[0].candidates))
    name = task.metric_names(rows[0].kind, form)[0]
    sign = -1 if name in LOWER_IS_BETTER else 1
    scores = [_value(name, [Answer(row, text) for row in rows]) for text in tried]
    return tried[max(range(len(tried)), key=lambda at: sign * round(scores[at], 12))]


def _values(task: EvalTask, rows: Sequence[EvalRow], texts: Sequence[str]) -> dict[str, float]:
    answers = [Answer(row, text) for row, text in zip(rows, texts, strict=True)]
    return {name: _value(name, answers) for name in task.metric_names(rows[0].kind, rows[0].form)}


def _value(name: str, answers: Sequence[Answer]) -> float:
    """The metric alone: a baseline is a point to hold a score against, without an interval."""
    one = metric(name, answers[0].row.kind)
    return float(one.compute(one.update(answers).sum(0)))


def _random_answers(rows: Sequence[EvalRow], key: str) -> list[str]:
    answers = []
    for row in rows:
        chance = random.Random(f"{key}/{row.id}")
        # How much is asked for is taken from a random row: a fair guess about lengths and counts.
        answers.append(_random(row, chance.choice(rows), chance))
    return answers


def _random(row: EvalRow, like: EvalRow, chance: random.Random) -> str:
    if row.form == "label" and row.candidates:
        return chance.choice(row.candidates)
    if row.form == "labels" and row.candidates:
        count = min(len(like.gold), len(row.candidates))
        return render("labels", chance.sample(row.candidates, count), (), row.separator)
    if row.form in ("spans", "typed_spans"):
        lengths = [len(_pieces(item[1] if isinstance(item, tuple) else item)) for item in like.gold]
        terms = list(dict.fromkeys(_words(row.text, length, chance) for length in lengths))
        if row.form == "spans":
            return render("spans", terms, (), row.separator)
        types = row.candidates or ("",)
        return render("typed_spans", [(chance.choice(types), term) for term in terms], row.candidates, row.separator)
    return _words(row.text, len(_pieces(like.target)), chance)


def _words(text: str, count: int, chance: random.Random) -> str:
    pieces = _pieces(text)
    start = chance.randrange(max(1, len(pieces) - count + 1))
    return "".join(pieces[start : start + count]).strip()


def _pieces(text: str) -> list[str]:
    """Words with the space after them, and single Chinese characters."""
    return _PIECE.findall(text)
