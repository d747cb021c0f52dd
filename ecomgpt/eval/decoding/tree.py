"""Answers with common beginnings as one tree, so that each beginning is read once."""

import math
from collections.abc import Sequence


class Tree:
    """The answers' tokens except the last of each, every beginning once.

    Args:
        answers: Token ids, at least one token each.

    Attributes:
        tokens: Token of each node.
        parents: The node before each; -1 is the prompt.
        depths: Tokens before each node.
        asked: Distinct (place, following token) pairs; place 0 is the prompt's end and place n + 1 is node n.
    """

    def __init__(self, answers: Sequence[Sequence[int]]) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        nodes: dict[tuple[int, int], int] = {}
        numbers: dict[tuple[int, int], int] = {}
        self._paths: list[list[int]] = []
        for answer in answers:
            node, path = -1, []
            for depth, token in enumerate(answer):
                path.append(numbers.setdefault((node + 1, token), len(numbers)))
                if depth < len(answer) - 1:
                    if (node, token) not in nodes:
                        nodes[node, token] = len(self.tokens)
                        self.tokens.append(token)
                        self.parents.append(node)
                        self.depths.append(depth)
                    node = nodes[node, token]
            self._paths.append(path)
        self.asked = list(numbers)

    def sums(self, values: Sequence[float]) -> list[float]:
        """Sum over each answer's path of the values that belong to ``asked``."""
        return [math.fsum(values[number] for number in path) for path in self._paths]

    def ancestors(self) -> list[list[int]]:
        """For each node the nodes that it sees: those before it and itself."""
        seen: list[list[int]] = []
        for node, parent in enumerate(self.parents):
            seen.append([*(seen[parent] if parent >= 0 else ()), node])
        return seen
