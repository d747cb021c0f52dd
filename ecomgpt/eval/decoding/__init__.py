"""Decoding engine: rows of any length side by side, without padding, each prompt read once.

`attention` leads a model's attention calls to `store`, which keeps keys and values; `search` decides which tokens
follow; `stream` keeps the slots filled until every row is answered; `plain` is the way of models that the engine does
not know.
"""
