"""The mixture of a configuration: what its evaluation suite protects is kept out of what it trains on."""

from ecomgpt.config.schema import Config
from ecomgpt.data.pipeline import prepare
from ecomgpt.data.prepared import Prepared
from ecomgpt.eval.protection import protection
from ecomgpt.model.tokenizer import tokenizer_of


def prepared(config: Config) -> Prepared:
    """Builds the mixture, or takes it from the cache."""
    return prepare(config, protection(config), tokenizer_of(config))
