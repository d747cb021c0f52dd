"""Keys and values of the rows that are being answered, and attention over them.

A slot holds one row: the keys of its prompt, read once whatever the number of beams, and behind them a pool with one
place for every beam and step. A beam that continues another one copies nothing: a mask says which places of the pool
are its ancestors. A row that is done gives its slot away, and the last slot moves there, so that the slots in use stay
together.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from ecomgpt.eval.decoding.attention import prompt_attention, step_attention, tree_attention
from ecomgpt.eval.decoding.tree import Tree
from ecomgpt.model.architectures import hidden_states
from ecomgpt.model.attention import PackedAttention
from ecomgpt.model.bloom import alibi_slopes

MOST_LOGITS = 64
"""Rows of logits held at once: 64 MB with BLOOM's vocabulary."""
_BLOCK = 64


class Store:
    """The memory of a model over some rows.

    Args:
        model: A model that is `ecomgpt.eval.decoding.prepare.prepared`.
        slots: Rows at the same time.
        capacity: Keys a slot can hold: the longest prompt and ``width`` for each new token.
        width: Beams.
    """

    def __init__(self, model: PreTrainedModel, slots: int, capacity: int, width: int = 1) -> None:
        config, device = model.config, model.device
        self.model, self.width, self.device = model, width, device
        self.slots, self.capacity = slots, capacity
        heads = config.num_attention_heads
        kv_heads = getattr(config, "num_key_value_heads", None) or heads
        size = getattr(config, "head_dim", None) or config.hidden_size // heads
        shape = (slots, kv_heads, capacity, size)
        # Zeros and not whatever was there: what is masked is multiplied by zero, and NaN times zero is NaN.
        self.keys = [torch.zeros(shape, dtype=model.dtype, device=device) for _ in range(config.num_hidden_layers)]
        self.values = [torch.zeros_like(keys) for keys in self.keys]
        self.group = heads // kv_heads
        self.slopes = alibi_slopes(model, device)
        self.mask = torch.full((slots, width, capacity), -torch.inf, device=device)  # 0 where a beam sees a key.
        self.places = torch.zeros(slots, capacity, device=device)  # Position of each key in its row.
        self.prompts = torch.zeros(slots, dtype=torch.long, device=device)
        self.written = torch.zeros(slots, dtype=torch.long, device=device)
        self.used = 0
        self.shared = 0  # Keys at the start of every slot that all prompts have in common.
        self._triangle = torch.empty(0, 0, 0)

    @torch.inference_mode()
    def share(self, prefix: Sequence[int]) -> None:
        """Reads what all prompts begin with, once for all slots."""
        if prefix:
            self._prefill([list(prefix)], [0])
            for part in (*self.keys, *self.values):
                part[1:, :, : len(prefix)] = part[:1, :, : len(prefix)]
            self.shared = len(prefix)
            self.used = 0

    @torch.inference_mode()
    def read(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Reads prompts into the next free slots.

        Args:
            prompts: Token ids, each longer than what is shared.

        Returns:
            Hidden states that predict the first new token of each, shape (rows, width of the model).
        """
        slots = list(range(self.used, self.used + len(prompts)))
        hidden = self._prefill([list(prompt[self.shared :]) for prompt in prompts], slots)
        for slot, prompt in zip(slots, prompts, strict=True):
            length = len(prompt)
            self.mask[slot] = -torch.inf
            self.mask[slot, :, :length] = 0
            steps = torch.arange(self.capacity - length, device=self.device) // self.width
            self.places[slot, :length] = torch.arange(length, device=self.device)
            self.places[slot, length:] = length + steps
            self.prompts[slot], self.written[slot] = length, 0
        self.used += len(prompts)
        return hidden

    @torch.inference_mode()
    def step(self, tokens: Sequence[Sequence[int]], parents: Sequence[Sequence[int]]) -> Tensor:
        """Reads one token of each beam of each slot in use.

        Args:
            tokens: Shape (slots in use, width).
            parents: Which beam of the last step each continues, same shape.

        Returns:
            Hidden states, shape (slots in use * width, width of the model).
        """
        used, width = self.used, self.width
        prompts, written = self.prompts[:used], self.written[:used]
        beams = torch.arange(width, device=self.device)
        at = (prompts + written * width)[:, None] + beams
        slots = torch.arange(used, device=self.device)[:, None]
        if width > 1:
            order = torch.tensor(parents, device=self.device)
            self.mask[:used] = self.mask[:used].gather(1, order[:, :, None].expand(-1, -1, self.capacity))
        self.mask[slots, beams, at] = 0
        positions = prompts + written
        attention = step_attention(self, slots.expand(-1, width).flatten(), at.flatten(), positions, int(at.max()) + 1)
        hidden = self._forward(
            torch.tensor(tokens, device=self.device).flatten(), positions.repeat_interleave(width), attention
        )
        written += 1
        return hidden

    @torch.inference_mode()
    def branch(self, tree: Tree) -> Tensor:
        """Reads many continuations of the row in slot 0 at once, and forgets them.

        Returns:
            Hidden states that predict what follows each node, shape (nodes, width of the model).
        """
        length = int(self.prompts[0])
        positions = torch.tensor(tree.depths, device=self.device) + length
        return self._forward(
            torch.tensor(tree.tokens, device=self.device), positions, tree_attention(self, tree, length)
        )

    @torch.inference_mode()
    def release(self, slot: int) -> None:
        """Gives a slot away; the last slot in use takes its number."""
        last = self.used = self.used - 1
        if slot != last:
            length = int(self.prompts[last] + self.written[last] * self.width)
            for part in (*self.keys, *self.values):
                part[slot, :, self.shared : length] = part[last, :, self.shared : length]
            for state in (self.mask, self.places, self.prompts, self.written):
                state[slot] = state[last]

    @torch.inference_mode()
    def resize(self, slots: int, capacity: int) -> None:
        """Makes room for more but shorter rows; rows in use stay where they are, and must fit."""
        used, kept = self.used, min(capacity, self.capacity)

        def moved(old: Tensor, dim: int, fill: float = 0) -> Tensor:
            shape = list(old.shape)
            shape[0], shape[dim] = slots, capacity
            new = old.new_full(shape, fill)
            new[:used].narrow(dim, 0, kept).copy_(old[:used].narrow(dim, 0, kept))
            return new

        for parts in (self.keys, self.values):
            for layer, old in enumerate(parts):
                parts[layer] = moved(old, 2)
                parts[layer][used:, :, : self.shared] = old[:1, :, : self.shared]
        self.mask, self.places = moved(self.mask, 2, -torch.inf), moved(self.places, 1)
        self.prompts, self.written = (F.pad(state[:used], (0, slots - used)) for state in (self.prompts, self.written))
        self.slots, self.capacity = slots, capacity

    @torch.inference_mode()
    def best(self, hidden: Tensor, count: int, normalise: bool) -> tuple[list[list[float]], list[list[int]]]:
        """The most likely next tokens, best first, of equal ones the lower id.

        Args:
            hidden: From `read` or `step`, shape (rows, width of the model).
            count: How many per row.
            normalise: Log-probabilities instead of logits.
        """
        values, tokens = [], []
        for part in hidden.split(MOST_LOGITS):
            logits = self.logits(part)
            top, ids = _top(logits, min(count, logits.shape[1]))
            if normalise:
                top = top - logits.logsumexp(-1, keepdim=True)
            values += top.tolist()
            tokens += ids.tolist()
        return values, tokens

    def logits(self, hidden: Tensor) -> Tensor:
        """Shape (rows, vocabulary), float32."""
        return self.model.get_output_embeddings()(hidden).float()

    def _prefill(self, prompts: list[list[int]], slots: list[int]) -> Tensor:
        lengths = [len(prompt) for prompt in prompts]
        tokens = torch.tensor([token for prompt in prompts for token in prompt], device=self.device)
        positions = torch.cat([torch.arange(self.shared, self.shared + length) for length in lengths]).to(self.device)
        hidden = self._forward(tokens, positions, prompt_attention(self, lengths, slots))
        return hidden[torch.tensor(lengths, device=self.device).cumsum(0) - 1]

    def _forward(self, tokens: Tensor, positions: Tensor, attention: PackedAttention) -> Tensor:
        return hidden_states(self.model, tokens[None], positions[None], attention)[0]

    def triangle(self, tokens: int, dtype: torch.dtype) -> Tensor:
        """Causal mask with ALiBi, shape (1 or heads, tokens, tokens); the longest that was asked for is kept."""
        if self._triangle.shape[-1] < tokens:
            place = torch.arange(tokens, device=self.device)
            distance = (place[None, :] - place[:, None]).float()
            bias = (
                self.slopes[:, None, None] * distance if self.slopes is not None else torch.zeros_like(distance)[None]
            )
            self._triangle = bias.masked_fill(distance > 0, -torch.inf).to(dtype)
        return self._triangle[:, :tokens, :tokens]


def _top(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`torch.topk` in two rounds: the best entries lie in the blocks with the best maxima, which are found fast."""
    rows, vocabulary = logits.shape
    blocks = -(-vocabulary // _BLOCK)
    padded = F.pad(logits, (0, blocks * _BLOCK - vocabulary), value=-torch.inf).view(rows, blocks, _BLOCK)
    chosen = padded.amax(-1).topk(min(count, blocks)).indices.sort(-1).values
    inner = padded.gather(1, chosen[:, :, None].expand(-1, -1, _BLOCK)).flatten(1)
    ids = (chosen[:, :, None] * _BLOCK + torch.arange(_BLOCK, device=logits.device)).flatten(1)
    order = inner.sort(dim=-1, descending=True, stable=True).indices[:, :count]
    return inner.gather(1, order), ids.gather(1, order)
