"""The model as training sees it: packed rows in, one loss for each answer token out."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from ecomgpt.model.attention import alibi_bias, packed_mask, use_packed_attention, uses_alibi

CHUNK = 1024
"""Answer tokens whose logits exist at the same time; BLOOM's 250,880 rows make that about 1 GB in float32."""


class Network(nn.Module):
    """A causal language model with its loss inside.

    The loss is computed within `forward`, because sharding strategies gather the head's weights only there, and because
    the head, which dominates BLOOM, then runs on answer tokens alone.

    Args:
        language_model: The backbone.
    """

    def __init__(self, language_model: PreTrainedModel) -> None:
        super().__init__()
        self.language_model = language_model
        self.alibi = uses_alibi(language_model)
        use_packed_attention(language_model)

    def forward(
        self,
        input_ids: torch.Tensor,
        segments: torch.Tensor,
        positions: torch.Tensor,
        target_index: torch.Tensor,
        targets: torch.Tensor,
    ) -> torch.Tensor:
        """Cross entropy of each target.

        Args:
            input_ids: Shape (R, T), int64.
            segments: Shape (R, T): number of the example in its row, -1 for padding.
            positions: Shape (R, T): place in the example.
            target_index: Shape (N,): flattened positions that predict a target.
            targets: Shape (N,), int64.

        Returns:
            Shape (N,), float32.
        """
        backbone = self.language_model.base_model
        mask = packed_mask(segments)
        dtype = self._activation_dtype(input_ids.device)
        if self.alibi:
            inputs = {"attention_mask": alibi_bias(mask, self.language_model.config.n_head, dtype)}
        else:
            bias = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)
            inputs = {"attention_mask": bias, "position_ids": positions}
        hidden = backbone(input_ids=input_ids, use_cache=False, **inputs).last_hidden_state
        return self._losses(hidden.flatten(0, 1).index_select(0, target_index), targets)

    def _losses(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """In chunks whose logits are computed again in the backward pass, so that memory grows with a chunk alone."""
        if len(targets) == 0:
            # Zero, but with a graph: every process must take part in the backward pass.
            return hidden.sum(dim=-1).float() * 0.0
        if len(targets) <= CHUNK:
            return self._chunk(hidden, targets)
        pieces = zip(hidden.split(CHUNK), targets.split(CHUNK), strict=True)
        return torch.cat([checkpoint(self._chunk, *piece, use_reentrant=False) for piece in pieces])

    def _chunk(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        head = self.language_model.get_output_embeddings()
        return F.cross_entropy(head(hidden).float(), targets, reduction="none")

    def _activation_dtype(self, device: torch.device) -> torch.dtype:
        if torch.is_autocast_enabled(device.type):
            return torch.get_autocast_dtype(device.type)
        return next(self.language_model.parameters()).dtype
