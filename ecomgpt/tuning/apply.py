"""Which weights are trained: all of them, or low-rank adapters."""

from transformers import PreTrainedModel

from ecomgpt.config.schema import TuningConfig


def apply_tuning(model: PreTrainedModel, tuning: TuningConfig) -> PreTrainedModel:
    """Freezes and adapts a backbone.

    Args:
        model: The backbone.
        tuning: What to train.

    Returns:
        The same model with gradients switched off where nothing is trained and adapters put into its linear layers; it
        is still the plain model class, so everything that knows the backbone works on.
    """
    if tuning.name == "lora":
        from peft import LoraConfig, inject_adapter_in_model

        adapter = LoraConfig(
            r=tuning.rank,
            lora_alpha=tuning.alpha,
            lora_dropout=tuning.dropout,
            target_modules=tuning.targets or block_linears(model),
        )
        for weight in model.parameters():
            weight.requires_grad_(False)
        inject_adapter_in_model(adapter, model)
    elif tuning.freeze_embeddings:
        model.get_input_embeddings().weight.requires_grad_(False)
    return model


def block_linears(model: PreTrainedModel) -> list[str]:
    """Names of the linear layers inside the blocks, the head left out."""
    from torch import nn

    head = model.get_output_embeddings()
    names = {
        name.rsplit(".", 1)[-1]
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) and part is not head
    }
    return sorted(names)


def merge_adapters(model: PreTrainedModel) -> PreTrainedModel:
    """Folds the adapters into the weights they adapt; a model without adapters comes back as it is."""
    from torch import nn

    for name, part in list(model.named_modules()):
        if hasattr(part, "lora_A") and hasattr(part, "merge"):
            part.merge()
            parent, _, child = name.rpartition(".")
            holder: nn.Module = model.get_submodule(parent) if parent else model
            setattr(holder, child, part.get_base_layer())
    return model
