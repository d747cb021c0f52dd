"""How many parameters a model has, from its declared shape alone."""

from ecomgpt.config.schema import ModelConfig


def parameters(model: ModelConfig) -> int | None:
    """Number of parameters; None where the shape is not declared.

    BLOOM: embedding and its norm, blocks of 12 h^2 + 13 h, final norm; the head is tied. Llama-style: four attention
    matrices (grouped keys and values counted as a third of the width, as in SmolLM2) and three of the MLP.
    """
    width, layers, rows = model.hidden_size, model.layers, model.vocabulary
    if not (width and layers and rows):
        return None
    return rows * width + 4 * width + layers * block_parameters(model)


def block_parameters(model: ModelConfig) -> int:
    """Parameters of one block."""
    width = model.hidden_size or 0
    if model.family == "bloom":
        return 12 * width * width + 13 * width
    inner = model.intermediate_size or 4 * width
    return 2 * width * width + 2 * width * width // 3 + 3 * width * inner + 2 * width
