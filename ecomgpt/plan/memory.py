"""How much memory a run needs on each device, by part, from the model's shape alone.

The coefficients are what the code really allocates: `tests/strategy/test_memory.py` compares them with every
allocation of PyTorch, and `experiments/benchmarks/bench_memory.py` with the peak of real processes.
"""

from dataclasses import dataclass

from ecomgpt.config.schema import Config, ModelConfig, TuningConfig
from ecomgpt.model.size import block_parameters, parameters
from ecomgpt.strategy.registry import strategy_of
from ecomgpt.strategy.single import ModelSizes, States

CHUNK = 1024
"""Answer tokens whose logits exist at once (`ecomgpt.model.loss.CHUNK`); repeated here so that planning needs no
torch."""
ANSWER_SHARE = 0.08
"""Share of a row's tokens that are answers, in instruction data (about 10 of 180)."""
LIBRARIES = 650e6
"""Main memory of a process before it holds a model: Python, PyTorch, Lightning, transformers."""
CONTEXT = 600e6
"""GPU memory of a process before it holds a model: CUDA's context and the libraries' kernels."""

HOLES = 0.5
"""Main memory that a process's heap loses between buffers that stay and buffers that go, as a share of what is kept.
The C library would lose none if it gave each large buffer a mapping of its own, and take a third of a step for it
(`ecomgpt.trainer.allocator`)."""

TABLE = 256
"""Queries that share the table of ALiBi's biases (`ecomgpt.model.sdpa.BLOCK`)."""

# What a block keeps for the backward pass, per token and unit of width, and what its backward pass needs beside it: in
# numbers of the weights' format, and in bytes under 16-bit autocast over float32. BLOOM keeps 11: its input, query,
# key and value, their context twice, the input of its MLP, and 4 before GELU; the rest is made again
# (`ecomgpt.model.recompute`). Other models also keep what norms and activations give. Adapters keep dropout's mask
# and output for each linear layer.
KEPT = {"bloom": (11, 26), "other": (17, 38), "lora": (24, 67)}
WORK = {"bloom": (10, 22), "other": (10, 22), "lora": (4, 22)}


@dataclass(frozen=True)
class Memory:
    """Bytes on one device.

    Attributes:
        weights: Parameters.
        gradients: Of the trained parameters, with the buffers that exchange them.
        optimizer: AdamW's two moments, and float32 master weights under DeepSpeed.
        activations: Kept for the backward pass, with the attention bias, and 16-bit copies of weights that autocast
            makes.
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


@dataclass(frozen=True)
class Workload:
    """What the memory of a training run depends on.

    Attributes:
        config: The model's declared shape, what is trained and sharded, rows at once, checkpointing, processes.
        half: Activations are 16-bit.
        mixed: Weights stay float32 beside 16-bit activations.
        gpu: The device is a GPU.
    """

    config: Config
    half: bool
    mixed: bool
    gpu: bool = False

    def sizes(self) -> ModelSizes:
        """The model in numbers; DeepSpeed keeps 16-bit weights on the device, and float32 ones with the optimizer."""
        model, trainer = self.config.model, self.config.trainer
        slim = self.half and (strategy_of(self.config.strategy).own_masters or not self.mixed)
        return ModelSizes(
            total=parameters(model) or 0,
            trained=trained_parameters(model, self.config.tuning),
            root=(model.vocabulary or 0) * (model.hidden_size or 0),
            block=block_parameters(model),
            weight_bytes=2 if slim else 4,
            compute_bytes=2 if self.half else 4,
            devices=trainer.devices,
            processes=trainer.devices * trainer.nodes,
            gpu=self.gpu,
        )


def trained_parameters(model: ModelConfig, tuning: TuningConfig) -> int:
    """Parameters with gradients."""
    width = model.hidden_size or 0
    if tuning.name == "lora":
        # Query-key-value (h to 3h), dense (h to h) and the two MLP matrices: r (in + out) each.
        return (model.layers or 0) * tuning.rank * width * (4 + 2 + 5 + 5)
    total = parameters(model) or 0
    return total - (model.vocabulary or 0) * width if tuning.freeze_embeddings else total


def estimate(work: Workload) -> Memory | None:
    """Memory of a training run on each device; None where the model's shape is not declared."""
    if parameters(work.config.model) is None:
        return None
    sizes = work.sizes()
    strategy = strategy_of(work.config.strategy)
    # Two float32 moments; 16-bit weights have a float32 copy beside them, under DeepSpeed others too.
    moments = 12 if strategy.own_masters or sizes.weight_bytes == 2 else 8
    alone = States(sizes.total * sizes.weight_bytes, sizes.trained * sizes.weight_bytes, float(sizes.trained * moments))
    states = strategy.memory(alone, sizes)
    kept, moment = _activations(work, sizes)
    libraries = CONTEXT if work.gpu else LIBRARIES
    return Memory(states.weights, states.gradients, states.optimizer, kept, moment, libraries, states.host)


def _activations(work: Workload, sizes: ModelSizes) -> tuple[float, float]:
    """What is kept for the backward pass, and the most that is alive beside it for a moment."""
    model, trainer = work.config.model, work.config.trainer
    row = trainer.row_tokens or work.config.data.max_length
    width, layers = model.hidden_size or 0, model.layers or 0
    tokens = row * (trainer.micro_rows or 1)
    residual = 4 if work.mixed else sizes.compute_bytes
    block, backward = (tokens * width * part for part in _block(work, sizes.compute_bytes))
    kept = layers * tokens * width * residual if trainer.gradient_checkpointing else layers * block
    if trainer.gradient_checkpointing:
        backward += block
    if work.half and work.mixed and strategy_of(work.config.strategy).whole:
        # Autocast makes 16-bit copies of the linear layers' weights, and keeps them for the backward pass.
        blocks = 1 if trainer.gradient_checkpointing else layers
        kept += 2 * (blocks * sizes.block + sizes.root)
    if model.family == "bloom":
        kept += 4 * (model.heads or 1) * TABLE * row  # ALiBi's table, of `ecomgpt.model.sdpa`
    kept += 2 * tokens * width * residual
    begin, end = _moments(work, sizes, tokens, backward)
    if work.gpu:
        return kept, max(begin, end - kept)
    # What the backward pass ends with finds no room in the pieces that it began with.
    return kept * (1 + HOLES), begin + end


def _moments(work: Workload, sizes: ModelSizes, tokens: int, backward: float) -> tuple[float, float]:
    """The most that is alive for a moment when the backward pass begins, and when it ends.

    The forward pass ends with the logits, which become their own gradient; in 16 bit they stand beside a float32
    copy. They wait for the embedding, at the end, to become the gradient of the weight that is both; those of many
    answers do at once.
    """
    answers = tokens * ANSWER_SHARE
    logits = min(CHUNK, answers) * (work.config.model.vocabulary or 0) * 4
    trains_head = work.config.tuning.name == "full" and not work.config.tuning.freeze_embeddings
    head = sizes.root * sizes.weight_bytes if trains_head else 0
    gradient = logits * sizes.compute_bytes / 4
    at_once = answers > min(CHUNK, work.config.model.hidden_size or 0)
    early, late = (head, 0.0) if at_once else (0.0, gradient if trains_head else 0.0)
    begin, end = max(logits * (1.5 if work.half else 1), gradient + early, early + late + backward), head + late
    if work.config.trainer.batch_tokens // max(1, tokens * sizes.processes) <= 1:
        # One micro-batch per step: gradients come into being while activations go.
        begin, end = max(logits, begin - sizes.trained * sizes.weight_bytes), late
    if work.half and not work.mixed and not strategy_of(work.config.strategy).own_masters:
        # AdamW on float32 copies makes float32 gradients for its step.
        end = max(end, 4 * sizes.trained)
    return begin, end


def _block(work: Workload, size: int) -> tuple[float, float]:
    """Bytes per token and unit of width: what a block keeps, and what its backward pass needs beside it."""
    model, bloom = work.config.model, work.config.model.family == "bloom"
    kind = "lora" if work.config.tuning.name == "lora" else "bloom" if bloom else "other"
    scale = 1.0
    if not bloom:
        # Llama-style: eleven widths in attention and norms (rotated and repeated keys included), four of the MLP's
        # inner width.
        inner = (model.intermediate_size or 0) / (model.hidden_size or 1) or 4
        scale = (11 + 4 * inner) / 17
    kept, backward = (row[1] if work.half and work.mixed else row[0] * size for row in (KEPT[kind], WORK[kind]))
    return kept * scale, backward * scale
