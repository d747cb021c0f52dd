"""The model as training sees it: packed examples in, one loss per answer token out."""

from collections.abc import Callable
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BloomForCausalLM, PreTrainedModel

from ecomgpt.common.errors import UserError
from ecomgpt.model.architectures import accept_packed_rows, blocks, hidden_states
from ecomgpt.model.attention import choose_kernel, make_layout
from ecomgpt.model.bloom import alibi_slopes
from ecomgpt.model.linear import faster_linears
from ecomgpt.model.loss import AnswerHead
from ecomgpt.model.packing_check import exact
from ecomgpt.model.tied_embedding import TiedEmbedding, late_gradient

SCALES = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier")
"""Configuration keys by which some models change their logits behind the head; None and 1 change nothing."""

MULTIPLE = 16
"""Micro-batches are padded to a multiple of this many tokens: matrix products of other heights are up to a tenth slower
on CPUs, and tensor cores want multiples of 8 as well."""


class Network(nn.Module):
    """A causal language model with its loss inside.

    The network owns the loss: an `AnswerHead` takes the place of the model's head and shares its weight. So the head,
    which dominates BLOOM, runs on answer tokens alone, and the state dict stays the model's own.

    Args:
        language_model: The backbone; its modules are changed, its weights are not.
        attention: ``model.attention``: auto, sdpa or flex.

    Raises:
        UserError: If the model can't be trained exactly on packed examples.
    """

    def __init__(self, language_model: PreTrainedModel, attention: str = "auto") -> None:
        super().__init__()
        self.language_model, self.attention = language_model, attention
        accept_packed_rows(language_model)
        kind, head = type(language_model).__name__, language_model.get_output_embeddings()
        changed = [name for name in SCALES if getattr(language_model.config, name, None) not in (None, 1.0)]
        if type(head) is not nn.Linear or changed:
            reason = f"changes its logits ({', '.join(changed)})" if changed else "has no plain linear head"
            raise UserError(f"model.path: {kind} {reason}, which training doesn't compute")
        language_model.set_output_embeddings(AnswerHead(head))
        embedding = language_model.get_input_embeddings()
        if TiedEmbedding.suits(embedding, head):
            language_model.set_input_embeddings(TiedEmbedding(embedding))
        faster_linears(language_model)
        if not isinstance(language_model, BloomForCausalLM) and not exact(self, language_model):
            raise UserError(
                f"model.path: {kind} has other losses on packed rows than on single examples, "
                "so it can't be trained exactly"
            )

    def compile_blocks(self) -> None:
        """Compiles each block in place; all blocks share one compilation, and names in the state dict stay."""
        for part in blocks(self.language_model):
            part.compile(dynamic=True)

    def forward(
        self, input_ids: Tensor, positions: Tensor, lengths: Tensor | list[int], target_index: Tensor, targets: Tensor
    ) -> Tensor:
        """Cross entropy of each target.

        Args:
            input_ids: Examples one after another, shape (1, T), int64.
            positions: Position in the example, shape (1, T).
            lengths: Tokens of each example, shape (S,) or a list; their sum is T.
            target_index: Positions that predict a target, shape (N,).
            targets: Shape (N,), int64.

        Returns:
            Shape (N,), float32.
        """
        model, device = self.language_model, input_ids.device
        sizes = lengths.tolist() if isinstance(lengths, Tensor) else lengths
        input_ids, positions, sizes = _padded(input_ids, positions, sizes)
        layout = make_layout(sizes, device, alibi_slopes(model, device), choose_kernel(device, self.attention))
        hidden = hidden_states(model, input_ids, positions, layout)
        late = late_gradient(model.get_input_embeddings())
        return model.get_output_embeddings()(hidden[0].index_select(0, target_index), targets, late)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Keeps rotary frequencies in float32 when the model is converted to 16 bit.

        Rounded to bfloat16 they are off by up to a 256th, so after some hundred tokens positions are wrong; a model
        that is loaded in bfloat16 keeps them exact, and would not find the positions that it was trained with.
        """
        rotary = [module._buffers for module in self.modules() if "inv_freq" in module._buffers]
        exact: list[tuple[dict[str, Any], str, Tensor]] = [
            (buffers, name, buffer)
            for buffers in rotary
            for name, buffer in buffers.items()
            if buffer is not None and buffer.dtype == torch.float32
        ]
        super()._apply(fn, recurse)
        for buffers, name, before in exact:
            if buffers[name].dtype != before.dtype:
                buffers[name] = before.to(buffers[name].device)
        return self


def _padded(ids: Tensor, positions: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor, list[int]]:
    """The micro-batch with one more example, which nothing sees and which has no target."""
    missing = -ids.shape[1] % MULTIPLE
    if not missing:
        return ids, positions, sizes
    filler = torch.arange(missing, device=ids.device)[None]
    return F.pad(ids, (0, missing)), torch.cat([positions, filler], dim=1), [*sizes, missing]
