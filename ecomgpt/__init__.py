"""ecomgpt: instruction tuning of BLOOM(Z) on e-commerce task mixtures, and its evaluation on unseen tasks.

From Python::

    import ecomgpt

    config = ecomgpt.compose("data=no_atomic", "seed=2")    # what the command line would compose, checked
    mixture = ecomgpt.build(config)                         # instructions and their tokens
    result = ecomgpt.run("name=first", "trainer.max_steps=20")
    result.averages["all"]["primary"], result.scores, result.directory

Mistakes raise `UserError`, failed jobs `JobFailure`. Importing the package imports nothing else; each function does.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecomgpt.api import Result, build, compose, evaluate, report, run, train
    from ecomgpt.common.errors import JobFailure, UserError
    from ecomgpt.config.schema import Config

__version__ = "0.2.0"
__all__ = ["Config", "JobFailure", "Result", "UserError", "build", "compose", "evaluate", "report", "run", "train"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ecomgpt' has no attribute '{name}'")
    from ecomgpt import api

    return getattr(api, name)
