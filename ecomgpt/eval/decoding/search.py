"""Greedy or beam search over one row, given the best next tokens step by step.

A search also notices where two choices lay closer together than rounding: there the batch that a row happened to stand
in could decide, so `ecomgpt.eval.decoding.stream` reads such a row again alone.
"""

from collections.abc import Sequence
from typing import TypeAlias

CLOSE = 2e-4
"""Differences below this may be rounding: scores of one row in different batches differ by some 1e-5 in float32."""

Next: TypeAlias = list[tuple[int, int]]
"""For each beam the beam that it continues and its new token."""


class Greedy:
    """The most likely token at each step.

    Args:
        limit: Most new tokens.
        ends: Tokens that end an answer.

    Attributes:
        width: Beams.
        count: Next tokens that it must be given per beam.
        output: The answer so far, without its end.
        close: True if rounding could have decided something.
    """

    width = 1
    count = 2

    def __init__(self, limit: int, ends: frozenset[int]) -> None:
        self.limit, self.ends = limit, ends
        self.output: list[int] = []
        self.close = False

    def advance(self, values: Sequence[Sequence[float]], tokens: Sequence[Sequence[int]]) -> Next:
        """Takes the best next tokens of each beam (at first there is one); returns how to go on, empty if done."""
        (first, *others), token = values[0], tokens[0][0]
        self.close |= bool(others) and first - others[0] < CLOSE
        if token in self.ends:
            return []
        self.output.append(token)
        return [(0, token)] if len(self.output) < self.limit else []


class Beam:
    """Beam search like transformers' ``generate(num_beams=width)`` with its defaults, which the paper's script used.

    ``length_penalty=1``: a finished answer scores the mean log-probability of its tokens, its end included.
    ``early_stopping=False``: the search ends when ``width`` answers are finished and the best that still runs, with its
    mean so far, is not better than the worst of them.

    Args:
        width: Beams.
        limit: Most new tokens.
        ends: Tokens that end an answer.
    """

    def __init__(self, width: int, limit: int, ends: frozenset[int]) -> None:
        self.width, self.limit, self.ends = width, limit, ends
        # So many that enough are left when each beam's best ones are ends.
        self.count = max(2, 1 + len(ends)) * width
        self.running: list[tuple[float, list[int]]] = [(0.0, [])]
        self.finished: list[tuple[float, list[int]]] = []
        self.steps = 0
        self.close = False

    @property
    def output(self) -> list[int]:
        return self.finished[0][1]

    def advance(self, values: Sequence[Sequence[float]], tokens: Sequence[Sequence[int]]) -> Next:
        ranked = sorted(
            (
                (score + value, -beam, -token)
                for beam, (score, _) in enumerate(self.running)
                for value, token in zip(values[beam], tokens[beam], strict=True)
            ),
            reverse=True,
        )
        self.steps += 1
        last = self.steps == self.limit
        # What ends may only enter among the best `width`; what does not end continues until `width` are found.
        ended = [at for at, (_, _, token) in enumerate(ranked[: self.count]) if last or -token in self.ends]
        going = [at for at in range(min(self.count, len(ranked))) if at not in ended][: self.width]
        self._notice(ranked, ended, going)
        for at in ended:
            if at < self.width:
                score, beam, token = ranked[at]
                tail = [] if -token in self.ends else [-token]
                self.finished.append((score / self.steps, self.running[-beam][1] + tail))
        self.finished.sort(key=lambda one: -one[0])
        del self.finished[self.width :]
        chosen = [ranked[at] for at in going]
        self.running = [(score, [*self.running[-beam][1], -token]) for score, beam, token in chosen]
        if not self._hopeful():
            self._notice_winner()
            return []
        return [(-beam, -token) for _, beam, token in chosen]

    def _hopeful(self) -> bool:
        if not self.running or len(self.finished) < self.width:
            return bool(self.running)
        best, worst = self.running[0][0] / self.steps, self.finished[-1][0]
        self.close |= abs(best - worst) < CLOSE / self.steps
        return best > worst

    def _notice(self, ranked: list[tuple[float, int, int]], ended: list[int], going: list[int]) -> None:
        """Notes where a small change would let another beam run, or another answer end."""
        scores = [score for score, _, _ in ranked]
        after = going[-1] + 1 if going else self.width
        while after in ended:
            after += 1
        if going and after < len(scores):
            self.close |= scores[going[-1]] - scores[after] < CLOSE
        border = self.width
        if ended and border < len(scores) and (border in ended or border - 1 in ended):
            self.close |= scores[border - 1] - scores[border] < CLOSE

    def _notice_winner(self) -> None:
        if len(self.finished) > 1:
            self.close |= self.finished[0][0] - self.finished[1][0] < CLOSE / self.steps


RowSearch: TypeAlias = Greedy | Beam
"""The search of one row; both have the attributes of `Greedy`."""
