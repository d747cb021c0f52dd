"""How much memory a run needs on each device, by part, from the model's shape alone."""

from dataclasses import dataclass

from ecomgpt.config.schema import Config, ModelConfig

CHUNK = 1024
"""Answer tokens whose logits exist at once (`ecomgpt.model.network.CHUNK`); repeated here so that planning needs no torch."""
ANSWER_SHARE = 0.08
"""Share of a row's tokens that are answers, in instruction data (about 10 of 180)."""


@dataclass(frozen=True)
class Memory:
    """Bytes on one device.

    Attributes:
        weights: Parameters.
        gradients: Of the trained parameters.
        optimizer: AdamW's two moments, and float32 master weights under DeepSpeed in half precision.
        activations: Kept for the backward pass, attention bias included.
        logits: Of the answer tokens, with their gradients.
        host: Bytes of main memory for what is offloaded.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    host: float = 0.0

    @property
    def device(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def parameters(model: ModelConfig) -> int | None:
    """Number of parameters; None where the shape is not declared.

    BLOOM: embedding and its norm, blocks of 12 h^2 + 13 h, final norm; the head is tied. Llama-style: four attention
    matrices (grouped keys and values counted as a third of the width, as in SmolLM2) and three of the MLP.
    """
    width, layers, rows = model.hidden_size, model.layers, model.vocabulary
    if not (width and layers and rows):
        return None
    if model.family == "bloom":
        return rows * width + 2 * width + layers * (12 * width * width + 13 * width) + 2 * width
    inner = model.intermediate_size or 4 * width
    return rows * width + layers * (2 * width * width + 2 * width * width // 3 + 3 * width * inner + 2 * width) + width


def trained_parameters(config: Config) -> int:
    """Parameters with gradients."""
    total = parameters(config.model) or 0
    model = config.model
    width, layers = model.hidden_size or 0, model.layers or 0
    if config.tuning.name == "lora":
        # Query-key-value (h to 3h), dense (h to h) and the two MLP matrices: r (in + out) each.
        return layers * config.tuning.rank * width * (4 + 2 + 5 + 5)
    return total - (model.vocabulary or 0) * width if config.tuning.freeze_embeddings else total


def estimate(config: Config, half: bool, mixed: bool) -> Memory | None:
    """Memory of a training run on each device.

    Args:
        config: The run's configuration.
        half: Whether activations are 16-bit.
        mixed: Whether weights stay float32 beside 16-bit activations.

    Returns:
        None where the model's shape is not declared.
    """
    total = parameters(config.model)
    if total is None:
        return None
    strategy, processes = config.strategy, config.trainer.devices * config.trainer.nodes
    trained = trained_parameters(config)
    zero = strategy.kind == "deepspeed"
    shard = {
        "weights": processes if strategy.kind == "fsdp" or (zero and strategy.stage >= 3) else 1,
        "gradients": processes if strategy.kind == "fsdp" or (zero and strategy.stage >= 2) else 1,
        "optimizer": processes if strategy.kind == "fsdp" or (zero and strategy.stage >= 1) else 1,
    }
    # DeepSpeed keeps 16-bit weights and gradients on the device, and float32 master weights with the optimiser.
    size = 2 if half and (zero or not mixed) else 4
    weights = total * size / shard["weights"]
    gradients = trained * size / shard["gradients"]
    optimizer = trained * (12 if zero and half else 8 if size == 4 else 4) / shard["optimizer"]
    activations, logits = _activations(config, 2 if half else 4)
    host = 0.0
    if strategy.offload_optimizer:
        host, optimizer = host + optimizer * processes, 0.0
    if strategy.offload_parameters:
        host, weights = host + weights * processes, weights / (config.model.layers or 1)
    return Memory(weights, gradients, optimizer, activations, logits, host)


def _activations(config: Config, size: int) -> tuple[float, float]:
    model, trainer = config.model, config.trainer
    tokens = (trainer.row_tokens or config.data.max_length) * (trainer.micro_rows or 1)
    width, layers, heads = model.hidden_size or 0, model.layers or 0, model.heads or 1
    # A block keeps about 34 h bytes a token in 16 bit (Korthikanti et al. 2022, without the attention matrix, which the
    # fused call does not keep); with checkpointing one hidden state a block and one block's whole.
    block = 17 * width * size * tokens
    kept = layers * width * size * tokens + block if trainer.gradient_checkpointing else layers * block
    row = trainer.row_tokens or config.data.max_length
    bias = (trainer.micro_rows or 1) * heads * row * row * size if model.family == "bloom" else row * row * size
    answers = min(CHUNK, tokens * ANSWER_SHARE)
    logits = answers * (model.vocabulary or 0) * (4 + 4 + size)
    return kept + 2 * bias, logits
