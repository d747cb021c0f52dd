"""Random numbers in training that depend on the place in the run alone.

Dropout draws the same mask for the same micro-batch of the same step, on however many processes the step is spread and
however often the run was interrupted: there is no random state that a checkpoint would have to carry.
"""

import random
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback


class Randomness(Callback):
    """Seeds every generator before each micro-batch.

    Args:
        seed: The run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: Any, index: int) -> None:
        # Micro-batches of all processes, counted through: the same rows have the same number however they are shared out.
        place = index * trainer.world_size + trainer.global_rank
        seed_all(self.seed, place)


def seed_all(seed: int, place: int) -> None:
    """Sets Python's, NumPy's and PyTorch's generators, CUDA's too, from a pair of numbers."""
    value = int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0])
    random.seed(value)
    np.random.seed(value % 2**32)
    torch.manual_seed(value)
