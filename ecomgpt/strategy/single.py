"""One device; and what every strategy has to say. The others derive from it and change what differs.

A new strategy is a file ``ecomgpt/strategy/<kind>.py`` whose ``STRATEGY`` names its class, the kind among the choices
of `ecomgpt.config.schema.StrategyConfig`, and a file in ``conf/strategy/``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecomgpt.config.schema import StrategyConfig, TrainerConfig

if TYPE_CHECKING:
    import lightning as L


@dataclass(frozen=True)
class ModelSizes:
    """A model and its training in numbers, for memory formulas.

    Attributes:
        total: Parameters.
        trained: Parameters with gradients.
        root: Parameters of the embedding, which the head shares.
        block: Parameters of one transformer block.
        weight_bytes: Of one weight on the device.
        compute_bytes: Of one number in the forward and backward pass: 2 or 4.
        devices: Processes per machine.
        processes: Over all machines.
        gpu: Whether they run on GPUs. On CPUs gloo copies what it exchanges.
    """

    total: int
    trained: int
    root: int
    block: int
    weight_bytes: int
    compute_bytes: int
    devices: int
    processes: int
    gpu: bool


@dataclass(frozen=True)
class States:
    """Bytes that a device holds throughout training.

    Attributes:
        weights: Parameters.
        gradients: Of the trained parameters, with the buffers that exchange them.
        optimizer: Optimizer states.
        host: Main memory for what is offloaded, over all processes of a machine.
    """

    weights: float
    gradients: float
    optimizer: float
    host: float = 0.0


class SingleDevice:
    """One process; nothing is sharded.

    Attributes:
        whole: Every process holds all weights, and a checkpoint is one file.
        own_masters: The strategy itself keeps float32 copies of the weights and clears the gradients.
    """

    whole = True
    own_masters = False

    def __init__(self, settings: StrategyConfig) -> None:
        self.settings = settings

    def build(self, trainer: TrainerConfig) -> Any:
        """Lightning's strategy, or its name."""
        return "auto"

    def shard(self, module: Any) -> None:
        """Prepares the network inside ``configure_model``."""

    def skip_step(self, trainer: "L.Trainer", module: Any) -> None:
        """Leaves out the optimizer step whose gradients are ready.

        PyTorch's optimizers pass over weights without gradients, so neither weights nor states change.
        """
        for weight in module.parameters():
            weight.grad = None

    def full_weights(self, trainer: "L.Trainer", module: Any) -> dict[str, Any]:
        """The whole state dict of the language model, on the first process at least; called on all of them."""
        return module.language_model.state_dict()

    def memory(self, alone: States, sizes: ModelSizes) -> States:
        """What one device holds, from what a single process would hold."""
        return alone

    def reads(self, origin: dict[str, Any], own: dict[str, Any]) -> bool:
        """Tells whether it can continue a checkpoint.

        Args:
            origin: Who wrote it (`ecomgpt.trainer.stored.origin`); empty for a file, which holds whole states.
            own: The same of this run.
        """
        return not origin

    def checkpoint(self, processes: int) -> tuple[str, str]:
        """What its checkpoints hold, and what can continue them; for messages.

        Args:
            processes: How many wrote the checkpoint.
        """
        return "whole states, and DeepSpeed reads its own shards alone", "strategy=auto, ddp or fsdp"


STRATEGY = SingleDevice
