"""Lightning's FSDP2 strategy, taught to continue whole checkpoints and to keep weights in main memory."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict, set_optimizer_state_dict


class ShardedStrategy(ModelParallelStrategy):
    """Lightning's strategy that also goes on from the checkpoint of one process or of DDP."""

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Whole states are cut to this process's shards.

        Lightning takes the numbers in the optimizer's state for places among the module's weights, but they count
        through the optimizer's groups.
        """
        path = Path(self.broadcast(checkpoint_path))
        if path.is_dir():
            return super().load_checkpoint(path, weights_only)
        checkpoint = torch.load(path, mmap=True, map_location="cpu", weights_only=True)
        whole = StateDictOptions(full_state_dict=True)
        assert self.model is not None
        set_model_state_dict(self.model, checkpoint["state_dict"], options=whole)
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            set_optimizer_state_dict(self.model, optimizer, _named(state, optimizer, self.model), options=whole)
        return checkpoint


def _named(state: dict[str, Any], optimizer: torch.optim.Optimizer, module: torch.nn.Module) -> dict[str, Any]:
    """An optimizer's state with the weights' names in place of their numbers."""
    names = {weight: name for name, weight in module.named_parameters()}
    order = [names[weight] for group in optimizer.param_groups for weight in group["params"]]
    return {
        "state": {order[number]: values for number, values in state["state"].items()},
        "param_groups": [
            {**group, "params": [order[number] for number in group["params"]]} for group in state["param_groups"]
        ],
    }


class OffloadedStrategy(ShardedStrategy):
    """For weights that stay in main memory: FSDP brings each block to the device and back itself."""

    def model_to_device(self) -> None:
        """Leaves the weights where they are."""
