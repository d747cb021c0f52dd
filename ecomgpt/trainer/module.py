"""The LightningModule: model, tuning, optimizer, schedule and loss in one place."""

import time
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torchmetrics import SumMetric
from transformers import PreTrainedModel

from ecomgpt.config.schema import Config
from ecomgpt.model.network import Network
from ecomgpt.strategy.registry import strategy_of
from ecomgpt.trainer.optimizer import make_optimizer, schedule
from ecomgpt.tuning.apply import apply_tuning


class InstructionTuner(L.LightningModule):
    """Instruction tuning with the loss on answers and ends of sequence.

    Args:
        config: The run's configuration.
        backbone: Makes the language model; called where the strategy wants it.
        accumulate: Micro-batches per optimizer step.
        total_steps: Optimizer steps of the whole run, for the schedule.
    """

    def __init__(
        self, config: Config, backbone: Callable[[], PreTrainedModel], accumulate: int, total_steps: int
    ) -> None:
        super().__init__()
        self.config, self.accumulate, self.total_steps = config, accumulate, total_steps
        self.strategy = strategy_of(config.strategy)
        self._backbone = backbone
        self.network: Network | None = None
        self.step_loss: torch.Tensor | float = 0.0
        # Sums in float64 don't depend on their order. (MeanMetric drops the weights where it is told to let NaN
        # through.)
        self.validation_loss = SumMetric(nan_strategy="disable").set_dtype(torch.float64)
        self.validation_weight = SumMetric(nan_strategy="disable").set_dtype(torch.float64)

    def configure_model(self) -> None:
        """Builds the network; Lightning calls it again when a checkpoint is loaded."""
        if self.network is not None:
            return
        model = apply_tuning(self._backbone(), self.config.tuning)
        if self.config.trainer.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
        self.network = Network(model, self.config.model.attention)
        if self.config.trainer.compile:
            self.network.compile_blocks()
        self.strategy.shard(self)

    @property
    def language_model(self) -> PreTrainedModel:
        """The backbone in Hugging Face form."""
        assert self.network is not None, "configure_model builds it"
        return self.network.language_model

    def training_step(self, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
        """The micro-batch's share of the step's mean loss.

        ``sum(w * loss) * processes * accumulate / sum of w over the whole optimizer step``, where w is one over the
        batch's ``loss_divisor``. Lightning divides by ``accumulate`` and the strategy averages over processes, so every
        target weighs the same wherever it was computed (lightning #20350, transformers #34191).
        """
        weighted = self._weighted_sum(batch)
        share = weighted / batch["normaliser"]
        self.step_loss += share.detach()
        return share * self.trainer.world_size * self.accumulate

    def validation_step(self, batch: dict[str, torch.Tensor], index: int) -> None:
        """Adds up, so that the mean does not depend on how rows were shared out."""
        self.validation_loss.update(self._weighted_sum(batch))
        self.validation_weight.update((1.0 / batch["loss_divisor"]).sum())

    def on_validation_epoch_end(self) -> None:
        """Logs the mean over all targets of all processes."""
        mean = self.validation_loss.compute() / self.validation_weight.compute().clamp(min=1e-9)
        self.log("validation_loss", mean.float(), rank_zero_only=True)
        self.validation_loss.reset()
        self.validation_weight.reset()

    def _weighted_sum(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        assert self.network is not None
        losses = self.network(
            batch["input_ids"], batch["positions"], batch["lengths"], batch["target_index"], batch["targets"]
        )
        return (losses / batch["loss_divisor"]).sum()

    def configure_optimizers(self) -> Any:
        """AdamW without decay on norms and biases, and a schedule that counts optimizer steps."""
        trainer = self.config.trainer
        optimizer = make_optimizer(self, trainer, self.config.strategy)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(trainer, step, self.total_steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """Frees the gradients at once, so that the next forward pass has their memory; Lightning frees them later."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if not self.strategy.own_masters:  # DeepSpeed clears its own buffers.
            optimizer.zero_grad()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["saved_at"] = time.time()
