"""How much memory a run needs on each device, by part, from the model's shape alone.

The coefficients are what the code really allocates: `tests/strategy/test_memory.py` compares them with every allocation of
PyTorch, and `experiments/benchmarks/bench_memory.py` with the peak of real processes.
"""

from dataclasses import dataclass

from ecomgpt.config.schema import Config, ModelConfig
from ecomgpt.model.size import block_parameters, parameters

CHUNK = 1024
"""Answer tokens whose logits exist at once (`ecomgpt.model.loss.CHUNK`); repeated here so that planning needs no torch."""
ANSWER_SHARE = 0.08
"""Share of a row's tokens that are answers, in instruction data (about 10 of 180)."""
LIBRARIES = 650e6
"""Main memory of a process before it holds a model: Python, PyTorch, Lightning, transformers."""
CONTEXT = 600e6
"""GPU memory of a process before it holds a model: CUDA's context and the libraries' kernels."""
BUCKET = 500e6
"""Elements that DeepSpeed reduces at once (its ``reduce_bucket_size``); one buffer of that size is kept."""
LIVE = 1e9
"""Parameters that ZeRO-3 may leave gathered between forward and backward pass (its ``stage3_max_live_parameters``)."""

HOLES = 0.5
"""Main memory that a process's heap loses between buffers that stay and buffers that go, as a share of what is kept. The C library
would lose none if it gave each large buffer a mapping of its own, and take a third of a step for it (`ecomgpt.trainer.allocator`)."""

TABLE = 256
"""Queries that share the table of ALiBi's biases (`ecomgpt.model.sdpa.BLOCK`)."""

# What a block keeps for the backward pass, per token and unit of width, and what its backward pass needs beside it: in
# numbers of the weights' format, and in bytes under 16-bit autocast over float32. BLOOM keeps 11: its input, query, key and
# value, their context twice, the input of its MLP, and 4 before GELU; the rest is made again (`ecomgpt.model.recompute`).
# Other models also keep what norms and activations give. Adapters keep dropout's mask and output for each linear layer.
KEPT = {"bloom": (11, 26), "other": (17, 38), "lora": (24, 67)}
WORK = {"bloom": (10, 22), "other": (10, 22), "lora": (4, 22)}


@dataclass(frozen=True)
class Memory:
    """Bytes on one device.

    Attributes:
        weights: Parameters.
        gradients: Of the trained parameters, with the buffers that exchange them.
        optimizer: AdamW's two moments, and float32 master weights under DeepSpeed.
        activations: Kept for the backward pass, with the attention bias, and 16-bit copies of weights that autocast makes.
        logits: Of the answer tokens, with their gradients, or what else is alive for a moment and larger.
        libraries: What a process holds before it has a model.
        host: Bytes of main memory for what is offloaded, for all processes of a machine.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    libraries: float
    host: float = 0.0

    @property
    def model(self) -> float:
        """What comes on top of the libraries."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits

    @property
    def device(self) -> float:
        """All of it."""
        return self.model + self.libraries


def trained_parameters(config: Config) -> int:
    """Parameters with gradients."""
    total = parameters(config.model) or 0
    model = config.model
    width, layers = model.hidden_size or 0, model.layers or 0
    if config.tuning.name == "lora":
        # Query-key-value (h to 3h), dense (h to h) and the two MLP matrices: r (in + out) each.
        return layers * config.tuning.rank * width * (4 + 2 + 5 + 5)
    return total - (model.vocabulary or 0) * width if config.tuning.freeze_embeddings else total


def estimate(config: Config, half: bool, mixed: bool, gpu: bool = False) -> Memory | None:
    """Memory of a training run on each device.

    Args:
        config: The run's configuration.
        half: Whether activations are 16-bit.
        mixed: Whether weights stay float32 beside 16-bit activations.
        gpu: Whether the device is a GPU, for what the libraries take.

    Returns:
        None where the model's shape is not declared.
    """
    total = parameters(config.model)
    if total is None:
        return None
    weights, gradients, optimizer, host = _states(config, total, half, mixed)
    if not gpu:
        gradients += _copied(config, half, mixed)
    kept, moment = _activations(config, half, mixed, gpu)
    return Memory(weights, gradients, optimizer, kept, moment, CONTEXT if gpu else LIBRARIES, host)


def _size(config: Config, half: bool, mixed: bool) -> int:
    """Bytes of a weight: DeepSpeed keeps 16-bit weights on the device, and float32 master weights with the optimiser."""
    return 2 if half and (config.strategy.kind == "deepspeed" or not mixed) else 4


def _states(config: Config, total: int, half: bool, mixed: bool) -> tuple[float, float, float, float]:
    """Weights, gradients and optimiser states on a device, and what lies in main memory instead."""
    strategy = config.strategy
    trained, size = trained_parameters(config), _size(config, half, mixed)
    weights, gradients = total * size, trained * size
    # Two float32 moments; 16-bit weights have a float32 copy beside them, under DeepSpeed others too.
    optimizer = trained * (12 if strategy.kind == "deepspeed" or size == 2 else 8)
    host = 0.0
    if strategy.kind == "ddp":
        # Buckets in which gradients are exchanged hold a copy of each.
        return weights, 2 * gradients, optimizer, host
    if strategy.kind == "fsdp":
        return _fsdp(config, weights, gradients, optimizer, 2 if half else 4)
    if strategy.kind == "deepspeed":
        return _zero(config, total, weights, gradients, optimizer, size)
    return weights, gradients, optimizer, host


def _fsdp(
    config: Config, weights: float, gradients: float, optimizer: float, size: int
) -> tuple[float, float, float, float]:
    """Shards, and whole: the root unit (embedding and head) with its gradient, and two blocks, one of them fetched ahead."""
    processes = config.trainer.devices * config.trainer.nodes
    root = (config.model.vocabulary or 0) * (config.model.hidden_size or 0)
    whole = (root + 2 * block_parameters(config.model)) * size
    return weights / processes + whole, gradients / processes, optimizer / processes, 0.0


def _zero(
    config: Config, total: int, weights: float, gradients: float, optimizer: float, size: int
) -> tuple[float, float, float, float]:
    """ZeRO: stage 1 shards the optimiser's states, 2 the gradients as well, 3 the weights as well."""
    strategy, processes = config.strategy, config.trainer.devices * config.trainer.nodes
    bucket = min(BUCKET * size, gradients)
    optimizer /= processes
    gradients = (gradients / processes if strategy.stage >= 2 else gradients) + bucket
    host = 0.0
    if strategy.stage >= 3:
        weights = weights / processes + min(LIVE, total) * size
    if strategy.offload_optimizer:
        host, optimizer = host + optimizer * config.trainer.devices, 0.0
    if strategy.offload_parameters:
        shard = total * size / processes
        host, weights = host + shard * config.trainer.devices, weights - shard
    return weights, gradients, optimizer, host


def _copied(config: Config, half: bool, mixed: bool) -> float:
    """What gloo copies to reduce gradients and scatter them: FSDP's root unit, ZeRO-3's bucket."""
    strategy, model, size = config.strategy, config.model, _size(config, half, mixed)
    trained = trained_parameters(config)
    if strategy.kind == "fsdp":
        return min(trained, (model.vocabulary or 0) * (model.hidden_size or 0)) * 4  # they are reduced in float32
    return min(BUCKET, trained) * size if strategy.kind == "deepspeed" and strategy.stage == 3 else 0.0


def _activations(config: Config, half: bool, mixed: bool, gpu: bool) -> tuple[float, float]:
    """What is kept for the backward pass, and the most that is alive beside it for a moment."""
    model, trainer, size = config.model, config.trainer, 2 if half else 4
    row, rows = trainer.row_tokens or config.data.max_length, trainer.micro_rows or 1
    tokens, width, layers = row * rows, model.hidden_size or 0, model.layers or 0
    residual = 4 if mixed else size
    block, work = (tokens * width * part for part in _block(config, half and mixed, size))
    kept = layers * tokens * width * residual if trainer.gradient_checkpointing else layers * block
    if trainer.gradient_checkpointing:
        work += block
    if half and mixed and config.strategy.kind in ("single", "ddp"):
        # Autocast makes 16-bit copies of the linear layers' weights, and keeps them for the backward pass.
        blocks = 1 if trainer.gradient_checkpointing else layers
        kept += 2 * (blocks * block_parameters(model) + (model.vocabulary or 0) * width)
    kept += attention_bias(model, row) + 2 * tokens * width * residual
    answers = tokens * ANSWER_SHARE
    logits = min(CHUNK, answers) * (model.vocabulary or 0) * 4
    trains_head = config.tuning.name == "full" and not config.tuning.freeze_embeddings
    head = (model.vocabulary or 0) * width * _size(config, half, mixed) if trains_head else 0
    # The forward pass ends with the logits, which become their own gradient; in 16 bit they stand beside a float32 copy. They
    # wait for the embedding, at the end, to become the gradient of the weight that is both; those of many answers do at once.
    gradient = logits * size / 4
    early, late = (head, 0.0) if answers > min(CHUNK, width) else (0.0, gradient if trains_head else 0.0)
    begin, end = max(logits * (1.5 if half else 1), gradient + early, early + late + work), head + late
    accumulate = trainer.batch_tokens // max(1, tokens * trainer.devices * trainer.nodes)
    if accumulate <= 1:
        # Gradients come into being while activations go.
        begin, end = max(logits, begin - trained_parameters(config) * _size(config, half, mixed)), late
    if half and not mixed and config.strategy.kind != "deepspeed":
        # AdamW on float32 copies makes float32 gradients for its step.
        end = max(end, 4 * trained_parameters(config))
    if gpu:
        return kept, max(begin, end - kept)
    # What the backward pass ends with finds no room in the pieces that it began with.
    return kept * (1 + HOLES), begin + end


def _block(config: Config, autocast: bool, size: int) -> tuple[float, float]:
    """Bytes per token and unit of width: what a block keeps, and what its backward pass needs beside it."""
    bloom = config.model.family == "bloom"
    kind = "lora" if config.tuning.name == "lora" else "bloom" if bloom else "other"
    kept, work = KEPT[kind], WORK[kind]
    if bloom:
        return (kept[1], work[1]) if autocast else (kept[0] * size, work[0] * size)
    # Llama-style: eleven widths in attention and norms (rotated and repeated keys included), four of the MLP's inner width.
    inner = (config.model.intermediate_size or 0) / (config.model.hidden_size or 1) or 4
    scale = (11 + 4 * inner) / 17
    return (kept[1] * scale, work[1] * scale) if autocast else (kept[0] * size * scale, work[0] * size * scale)


def attention_bias(model: ModelConfig, longest: int) -> float:
    """The table of ALiBi's biases of `ecomgpt.model.sdpa` in bytes; other positions have none."""
    return 4 * (model.heads or 1) * TABLE * longest if model.family == "bloom" else 0
