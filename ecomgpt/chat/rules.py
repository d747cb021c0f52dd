"""Settings of the group ``chat`` that can't work, reported before any request."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from ecomgpt.config.schema import ChatConfig


def problems(chat: ChatConfig, used: bool) -> Iterator[str]:
    """Sentences on settings that can't work.

    Args:
        chat: The settings.
        used: Whether the job asks the endpoint; else only what must not reach a file is looked at.
    """
    if chat.key_variable is not None and not re.fullmatch(r"[A-Za-z_]\w{0,80}", chat.key_variable):
        # Its value is not shown: it may be the key.
        yield "chat.key_variable is no environment variable's name; put the key into a variable and give its name"
    address = urlsplit(chat.base_url)
    if address.username or address.password or address.query:
        yield (
            "chat.base_url holds a user, password or query, which would be written into files; "
            "the key goes into $OPENAI_API_KEY"
        )
    elif used and (address.scheme not in ("http", "https") or not address.hostname):
        yield f"chat.base_url: '{chat.base_url}' is no address; it looks like https://api.openai.com/v1"
    if used:
        yield from _budget(chat)


def _budget(chat: ChatConfig) -> Iterator[str]:
    prices = (chat.price_input, chat.price_output)
    if chat.budget is None:
        return
    if None in prices:
        yield (
            "chat.budget needs prices: give chat.price_input and chat.price_output (USD per million tokens), "
            "or chat.budget=null"
        )
    elif chat.prices_for is not None and chat.prices_for != chat.model:
        yield (
            f"chat.price_input and chat.price_output are those of '{chat.prices_for}', but chat.model is "
            f"'{chat.model}'; give its prices and chat.prices_for={chat.model}, or chat.budget=null"
        )
