"""The LightningDataModule: micro-batches of the prepared mixture, from the right one on."""

from collections.abc import Iterator

import lightning as L
import numpy as np
from torch.utils.data import DataLoader, Sampler

from ecomgpt.config.schema import Config
from ecomgpt.data.batches import MicroBatches, Plan, plan
from ecomgpt.data.prefetch import AheadLoader
from ecomgpt.data.store import Examples


class FromStep(Sampler[int]):
    """Counts up from the run's position; as long as the whole run, as Lightning expects of a resumed loader."""

    def __init__(self, start: int, total: int) -> None:
        self.start, self.total = start, total

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.total))

    def __len__(self) -> int:
        return self.total


class Mixture(L.LightningDataModule):
    """The packed training rows of a run and its validation rows.

    ``pad`` is the id of the padding token.
    """

    def __init__(self, config: Config, train: Examples, validation: Examples, pad: int) -> None:
        super().__init__()
        self.config, self.train, self.validation, self.pad = config, train, validation, pad
        trainer = config.trainer
        self.row_tokens = trainer.row_tokens or config.data.max_length
        self.micro_rows = trainer.micro_rows or 1
        self.plan: Plan = plan(
            train.lengths, self.row_tokens, trainer.batch_tokens, trainer.epochs, trainer.max_steps, config.seed
        )
        self.accumulate = self.plan.rows_per_step // (trainer.devices * trainer.nodes * self.micro_rows)

    def train_dataloader(self) -> DataLoader:
        """One process's micro-batches; after a resume from the next optimizer step on."""
        rank, world, step = self._place()
        weighting = self.config.trainer.loss_weighting
        batches = MicroBatches(self.train, self.plan, rank, world, self.micro_rows, self.pad, weighting)
        sampler = FromStep(step * batches.accumulate, len(batches))
        return AheadLoader(batches, batch_size=None, sampler=sampler)

    def val_dataloader(self) -> DataLoader | list:
        """One process's validation rows, each exactly once."""
        if len(self.validation) == 0:
            return []
        rank, world, _ = self._place()
        whole = plan(self.validation.lengths, self.row_tokens, self.row_tokens * world * self.micro_rows, 1.0, None, 0)
        batches = MicroBatches(self.validation, whole, rank, world, self.micro_rows, self.pad)
        return AheadLoader(batches, batch_size=None)

    def _place(self) -> tuple[int, int, int]:
        """This process, of how many, and the steps done; without a trainer a loader is the whole run's, from step 0."""
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size, trainer.global_step) if trainer else (0, 1, 0)

    def step_tokens(self, step: int) -> tuple[int, int, int]:
        """Examples, tokens and target tokens of an optimizer step, over all processes."""
        examples = self.plan.step_examples(step)
        return len(examples), int(self.train.lengths[examples].sum()), int(self.train.num_targets[examples].sum())

    def totals(self) -> tuple[int, int]:
        """Examples and tokens of the whole run."""
        rows = self.plan.rows
        seen = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        return len(seen), int(self.train.lengths[seen].sum())
