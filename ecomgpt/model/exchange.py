"""The one place where modules of a finished model take another class.

A stock model becomes one that computes packed rows, or multiplies with another library, by nothing but another
`forward` in some of its modules. Exchanging their class keeps weights, hooks, gradient checkpointing, names in the
state dict and references to the modules as they are, and is undone in one assignment. Modules made anew would have to
copy all of that, wrappers change names, and a `forward` set on the instance escapes subclassing, which PyTorch's
`fully_shard` does the same way.
"""

from collections.abc import Iterable

from torch import nn


def exchange(modules: Iterable[nn.Module], old: type[nn.Module], new: type[nn.Module]) -> list[nn.Module]:
    """Gives all modules of exactly the class ``old`` the class ``new``, and returns them."""
    found = [module for module in modules if type(module) is old]
    for module in found:
        module.__class__ = new
    return found
