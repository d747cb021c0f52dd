"""Answers that need no model, so that a score means something.

* ``majority``: the most frequent target of the task's own rows. It looks at the answers, so it is the best constant
  answer, not a rival.
* ``random``: for closed candidates, a random one (or as many as another row has); else random words of the input, as
  many as another row's target has.
* ``copy``: the input itself.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence

from ecomgpt.eval.rows import EvalRow
from ecomgpt.tasks.answers import render

BASELINES = ("majority", "random", "copy")

_PIECE = re.compile(r"[⺀-鿿豈-﫿぀-ヿ]|[^\s⺀-鿿豈-﫿぀-ヿ]+\s?")


def baseline(name: str, rows: Sequence[EvalRow], seed: int) -> list[str]:
    """A baseline's answers, one a row.

    Args:
        name: One of `BASELINES`.
        rows: Of one task.
        seed: For ``random``, together with each row's id.
    """
    if name == "majority":
        # Ties go to the target that comes first, so that the answer does not depend on anything else.
        return [Counter(row.target for row in rows).most_common(1)[0][0]] * len(rows)
    if name == "copy":
        return [row.text for row in rows]
    if name != "random":
        raise ValueError(f"unknown baseline {name!r}; known: {', '.join(BASELINES)}")
    answers = []
    for row in rows:
        chance = random.Random(f"{seed}/random/{row.id}")
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
