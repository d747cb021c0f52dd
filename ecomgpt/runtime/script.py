"""Scripts that call ecomgpt: its child processes import the script again, which must not start the work again."""

import ast
import multiprocessing
import sys
from pathlib import Path
from traceback import walk_stack
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
    """Whether child processes would come here too: the script was started by its path, and what runs asks no name.

    Where no line of the script is being run, as in a thread, one statement that asks for the name will do.
    """
    path = getattr(script, "__file__", None)
    if not path or script.__spec__ is not None or not path.endswith(".py"):
        return False
    try:
        body = ast.parse(Path(path).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return False
    stack = walk_stack(sys._getframe())
    lines = [line for at, line in stack if at.f_globals is vars(script) and at.f_code.co_name == "<module>"]
    here = [one for one in body if all(one.lineno <= line <= (one.end_lineno or line) for line in lines)]
    return not any(isinstance(node, ast.Compare) and _is_name(node) for one in here for node in ast.walk(one))


def _is_name(node: ast.Compare) -> bool:
    return any(isinstance(side, ast.Name) and side.id == "__name__" for side in (node.left, *node.comparators))
