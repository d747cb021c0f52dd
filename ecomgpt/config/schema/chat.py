"""A chat endpoint, and what it labels."""

from dataclasses import dataclass
from typing import Any

from ecomgpt.config.options import FREE, REQUIRED, option


@dataclass
class ChatConfig:
    """A chat model behind an OpenAI-compatible endpoint: labels data, judges answers, is a baseline (model=openai)."""

    name: str = option(REQUIRED, "name of the endpoint in reports")
    base_url: str = option("https://api.openai.com/v1", "the endpoint, including /v1")
    model: str = option(REQUIRED, "the endpoint's name of the model")
    key_variable: str | None = option(
        "OPENAI_API_KEY", "NAME of the environment variable that holds the key; null for no key", **FREE
    )
    temperature: float | None = option(0.0, "sampling temperature; null leaves it to the endpoint", low=0, high=2)
    seed: int | None = option(1, "sent with every request; null for endpoints that know none")
    max_tokens: int = option(1024, "longest answer, where the task does not say", low=1)
    limit_parameter: str = option(
        "max_tokens", "the endpoint's name for that limit", choices=("max_tokens", "max_completion_tokens")
    )
    structured: str = option(
        "schema",
        "how JSON is requested: by schema, as any object, or in words alone",
        choices=("schema", "object", "none"),
    )
    extra: dict[str, Any] = option(dict, "more fields of the request, as the endpoint defines them")
    timeout: float = option(60.0, "seconds to wait for an answer", low=0.01, **FREE)
    concurrency: int = option(8, "simultaneous requests", low=1, high=256, **FREE)
    requests_per_minute: float | None = option(None, "rate limit of requests; null for none", low=0.01, **FREE)
    tokens_per_minute: float | None = option(
        None, "rate limit of tokens, prompt and longest answer together; null for none", low=1, **FREE
    )
    retries: int = option(
        6, "after overload (429), server errors, timeouts and broken connections", low=0, high=100, **FREE
    )
    backoff: float = option(1.0, "seconds before the first retry; doubled each time, with jitter", low=0, **FREE)
    backoff_most: float = option(
        60.0, "most seconds between retries, unless the endpoint asks for more (Retry-After)", low=0, **FREE
    )
    give_up: int = option(10, "consecutive failed requests, retries included, that stop everything", low=1, **FREE)
    prices_for: str | None = option(None, "the model that the prices hold for; null for any", **FREE)
    price_input: float | None = option(None, "USD per million prompt tokens; null for unknown", low=0, **FREE)
    price_output: float | None = option(None, "USD per million answer tokens; null for unknown", low=0, **FREE)
    budget: float | None = option(None, "USD that one start of a command may spend; null for no limit", low=0, **FREE)


@dataclass
class PseudoConfig:
    """What job=pseudo_label labels; which datasets, the group sources says."""

    tasks: list[str] | None = option(None, "names from conf/pseudo; null for all that fit")
    limit: int | None = option(
        200, "texts per dataset and task; nested: 400 texts include the 200; null for all", low=1
    )
    max_characters: int = option(2000, "longer texts are left out and counted", low=1)
