"""Scripts that call ecomgpt: its child processes import the script again, which must not start the work again."""

import multiprocessing
import sys
from pathlib import Path
from types import ModuleType

from ecomgpt.common.errors import UserError


def require_main_guard() -> None:
    """Refuses to start where a child process would import a script that starts the work again, or has done so.

    Raises:
        UserError: In a child process of ``multiprocessing``, and in a script without ``if __name__ == "__main__":``.
    """
    script = sys.modules["__main__"]
    # A child process notes its parent only after it has imported the script; until then it is marked as "inheriting".
    importing = getattr(multiprocessing.current_process(), "_inheriting", False)
    if not importing and multiprocessing.parent_process() is None and not _lacks_guard(script):
        return
    raise UserError(
        f"{getattr(script, '__file__', None) or 'the script'}: ecomgpt starts child processes, which import the script "
        'again; put the code that calls it under `if __name__ == "__main__":`'
    )


def _lacks_guard(script: ModuleType) -> bool:
    """Whether child processes would run the whole script: it was started by its path and never asks for its name."""
    path = getattr(script, "__file__", None)
    if not path or script.__spec__ is not None or not path.endswith(".py"):
        return False
    try:
        return "__name__" not in compile(Path(path).read_bytes(), path, "exec").co_names
    except (OSError, SyntaxError, ValueError):
        return False
