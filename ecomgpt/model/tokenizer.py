"""A run's tokenizer: the backbone's own, or a small one in the style of BLOOM's, trained on the mixture.

`transformers` is imported only where its tokenizer is needed: tokenising takes the inner part alone.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers import __version__ as version

from ecomgpt.common.hashing import file_hash, source_hash, value_hash
from ecomgpt.config.schema import Config, ModelConfig
from ecomgpt.model.locate import require_weights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")
"""BLOOM's special tokens at BLOOM's ids, 0 to 3."""
# BLOOM splits before byte-level BPE: runs of characters other than blanks and punctuation, with one leading blank.
SPLIT = r" ?[^(\s|[.,!?…。，、।۔،])]+"
FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)
HEADER = 32 << 20
"""A GGUF file's vocabulary stands before its weights, within this many bytes."""


def tokenizer_of(config: Config) -> "TrainedTokenizer | PretrainedTokenizer":
    """The tokenizer of ``config.model``."""
    if config.model.source == "build":
        return TrainedTokenizer(config.model.vocabulary or 0)
    return PretrainedTokenizer(config.model, config.paths.models)


class TrainedTokenizer:
    """A tokenizer that is trained on the mixture, for a model that is built from its config.

    Args:
        vocabulary: Number of tokens, special ones and the 256 bytes included.
    """

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary

    def key(self) -> str:
        """Hash of what it depends on besides the texts."""
        return value_hash(["trained", self.vocabulary, version, source_hash(Path(__file__))])

    def backend(self, texts: Iterable[str]) -> tuple[Tokenizer, int]:
        """Trains it; returns it with the id of its end-of-sequence token."""
        return train(texts, self.vocabulary), SPECIAL.index("</s>")

    def load(self, path: Path) -> "PreTrainedTokenizerFast":
        """The transformers tokenizer, from the file to which `backend`'s was saved."""
        return wrap(Tokenizer.from_file(str(path)))


class PretrainedTokenizer:
    """The tokenizer that comes with a backbone.

    Args:
        model: Names the backbone.
        models: The folder that is searched for weights (``paths.models``).
    """

    def __init__(self, model: ModelConfig, models: str) -> None:
        self.model, self.models = model, models

    def key(self) -> str:
        """Hash of its files' contents; downloads it if they are not on this machine yet."""
        place = require_weights(self.model, self.models)
        local = Path(place).is_dir()
        files = [Path(place) / name for name in FILES] if local else _cached(place, self.model.revision)
        found = [(path.name, file_hash(path)) for path in files if path.is_file()]
        if self.model.gguf_file and local:
            with (Path(place) / self.model.gguf_file).open("rb") as file:
                found.append((self.model.gguf_file, value_hash(file.read(HEADER).hex())))
        return value_hash(found) if found else value_hash(self.backend(())[0].to_str())

    def backend(self, texts: Iterable[str]) -> tuple[Tokenizer, int]:
        """Its inner part, with the id of its end-of-sequence token."""
        loaded = self.load(Path())
        return Tokenizer.from_str(loaded.backend_tokenizer.to_str()), int(loaded.eos_token_id)

    def load(self, path: Path) -> "PreTrainedTokenizerFast":
        """The transformers tokenizer, from beside the weights; ``path`` is not read."""
        from ecomgpt.model.loading import load_tokenizer

        return load_tokenizer(self.model, self.models)


def _cached(name: str, revision: str | None) -> list[Path]:
    """The tokenizer's files in the hub cache."""
    from huggingface_hub import try_to_load_from_cache

    found = []
    for file in FILES:
        with contextlib.suppress(ValueError):
            path = try_to_load_from_cache(name, file, revision=revision)
            found += [Path(path)] if isinstance(path, str) else []
    return found


def train(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Trains a tokenizer that can encode any text.

    Args:
        texts: The training texts.
        vocabulary: Number of tokens, special ones and the 256 bytes included.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def wrap(tokenizer: Tokenizer) -> "PreTrainedTokenizerFast":
    """A transformers tokenizer around a trained one."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
