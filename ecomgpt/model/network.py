"""The model as training sees it: packed examples in, one loss for each answer token out."""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import BloomForCausalLM, PreTrainedModel

from ecomgpt.common.errors import UserError
from ecomgpt.model.backbones import PackedBackbone, blocks
from ecomgpt.model.linear import faster_linears
from ecomgpt.model.loss import AnswerHead
from ecomgpt.model.packing_check import exact
from ecomgpt.model.tied_embedding import late_gradient, tie_gradients

SCALES = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier")
"""Configuration keys by which some models change their logits behind the head; None or 1 leaves them."""

MULTIPLE = 16
"""Tokens are filled up to a multiple of it: matrix products of other heights are up to a tenth slower on CPUs, and tensor
cores ask for multiples of 8 as well."""


class Network(nn.Module):
    """A causal language model with its loss inside.

    The loss is computed within `forward`, because sharding strategies gather the head's weights only there, and because
    the head, which dominates BLOOM, then runs on answer tokens alone.

    Args:
        language_model: The backbone.
        attention: ``model.attention``: auto, sdpa or flex.

    Raises:
        UserError: If the model can't be trained exactly on packed examples.
    """

    def __init__(self, language_model: PreTrainedModel, attention: str = "auto") -> None:
        super().__init__()
        self.language_model = language_model
        self._packed = PackedBackbone(language_model, attention)
        head = language_model.get_output_embeddings()
        changed = [name for name in SCALES if getattr(language_model.config, name, None) not in (None, 1.0)]
        if type(head) is not nn.Linear or changed:
            reason = f"changes its logits ({', '.join(changed)})" if changed else "has no plain linear head"
            raise UserError(f"model.path: {type(language_model).__name__} {reason}, which training doesn't compute")
        head.__class__ = AnswerHead
        faster_linears(language_model)
        tie_gradients(language_model.get_input_embeddings(), head)
        if not isinstance(language_model, BloomForCausalLM) and not exact(self, language_model):
            raise UserError(
                f"model.path: {type(language_model).__name__} has other losses on packed rows than on single examples, so it can't be trained exactly"
            )

    def compile_blocks(self) -> None:
        """Compiles each block in place; all blocks share one compilation, and names in the state dict stay."""
        for part in blocks(self.language_model):
            part.compile(dynamic=True)

    def forward(
        self,
        input_ids: torch.Tensor,
        positions: torch.Tensor,
        lengths: torch.Tensor | list[int],
        target_index: torch.Tensor,
        targets: torch.Tensor,
    ) -> torch.Tensor:
        """Cross entropy of each target.

        Args:
            input_ids: Examples one after another, shape (1, T), int64.
            positions: Place in the example, shape (1, T).
            lengths: Tokens of each example, shape (S,) or a list; their sum is T.
            target_index: Positions that predict a target, shape (N,).
            targets: Shape (N,), int64.

        Returns:
            Shape (N,), float32.
        """
        sizes = lengths.tolist() if isinstance(lengths, torch.Tensor) else lengths
        hidden = self._packed(self.language_model, *_filled(input_ids, positions, sizes))
        late = late_gradient(self.language_model.get_input_embeddings())
        return self.language_model.get_output_embeddings()(hidden[0].index_select(0, target_index), targets, late)


def _filled(
    ids: torch.Tensor, positions: torch.Tensor, sizes: list[int]
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """The micro-batch with an example more, which nothing sees and which has no target."""
    missing = -ids.shape[1] % MULTIPLE
    if not missing:
        return ids, positions, sizes
    filler = torch.arange(missing, device=ids.device)[None]
    return F.pad(ids, (0, missing)), torch.cat([positions, filler], dim=1), [*sizes, missing]
