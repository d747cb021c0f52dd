"""How an answer is written and how it is read back: one form per shape of answer, `render` and `parse` side by side.

Training renders, evaluation parses; that both live here is what keeps them inverse to each other.
"""
