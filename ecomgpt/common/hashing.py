"""Hashes of names and texts: the same on every machine and in every process, unlike Python's ``hash``."""

from hashlib import blake2b


def digest(name: str | bytes, size: int = 8) -> str:
    """Hexadecimal BLAKE2b of a text (UTF-8, lone surrogates included) or of bytes.

    Args:
        name: What is hashed.
        size: Bytes of the hash; the text returned is twice as long.
    """
    return blake2b(_bytes(name), digest_size=size).hexdigest()


def number(name: str | bytes) -> int:
    """A whole number from 0 to below 2**64 that stands for the name, evenly spread: a seeded place or draw."""
    return int.from_bytes(blake2b(_bytes(name), digest_size=8).digest())


def _bytes(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode("utf-8", "surrogatepass")
