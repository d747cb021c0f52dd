"""The metrics as ``torchmetrics.Metric``: for training loops and process groups. Scoring files needs only `ecomgpt.eval.score`."""

from collections.abc import Sequence
from typing import Any

import torch
from torchmetrics import Metric

from ecomgpt.eval.metrics.table import metric
from ecomgpt.eval.rows import Answer


class AnswerMetric(Metric):
    """One metric of a task's answers. ``update`` counts, ``compute`` divides; the state is the summed counts, which processes add.

    Args:
        name: One of `ecomgpt.eval.metrics.names.METRIC_NAMES`.
        kind: The task type, a key of `ecomgpt.eval.rows.KINDS`.
        names: What is counted one by one, for ``macro_f1`` and the released F1 of NER: ``metric(name, kind).names(answers)`` of
            the answers of all processes.
        **settings: As for every ``torchmetrics.Metric``.

    Example:
        >>> from ecomgpt.eval.rows import EvalRow
        >>> from ecomgpt.tasks.prompt import Prompt
        >>> row = EvalRow(id="1", task="t", prompt=Prompt("", "", ""), target="防水 鞋")
        >>> rouge = AnswerMetric("rouge_l", "Generate")
        >>> rouge.update([Answer(row, "防水 鞋"), Answer(row, "")])
        >>> rouge.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    is_differentiable = False
    full_state_update = False
    sums: torch.Tensor

    def __init__(self, name: str, kind: str, names: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(**settings)
        self.pair, self.names = metric(name, kind), tuple(names)
        columns = self.pair.update([], self.names).shape[1]
        self.add_state("sums", default=torch.zeros(columns, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, answers: Sequence[Answer]) -> None:
        """Counts some answers.

        Raises:
            ValueError: If they hold a name that was not announced.
        """
        missing = set(self.pair.names(answers)) - set(self.names)
        if missing:
            raise ValueError(f"the answers hold {sorted(missing)[0]!r}, which is not among 'names'")
        self.sums += torch.from_numpy(self.pair.update(answers, self.names).sum(0)).to(self.sums.device)

    def compute(self) -> torch.Tensor:
        """The value over all answers of all processes, float64."""
        return torch.tensor(float(self.pair.compute(self.sums.cpu().numpy())), dtype=torch.float64)
