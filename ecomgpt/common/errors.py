"""The exceptions that are shown as a sentence, without a traceback: what a user can mend, and what ends a job."""

import difflib
import sys
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """A mistake in the command, the configuration or the input.

    Args:
        *problems: One sentence each. A good sentence names the file, line or key, and says what to do.
        advice: What would help, shown below the problems.
    """

    def __init__(self, *problems: str, advice: Sequence[str] = ()) -> None:
        self.problems: tuple[str, ...] = problems
        self.advice = tuple(advice)
        super().__init__("\n".join(problems))


class JobFailure(Exception):
    """A job that ended before its work was done, with a message for people; exit code 1."""


def cause_of(error: BaseException) -> str:
    """One cause for people: the message of our own exceptions, type and first line of any other."""
    if isinstance(error, (UserError, JobFailure)):
        return str(error)
    return f"{type(error).__name__}: {error}".split("\n")[0]


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that is most like ``word``, ignoring case, or None where nothing comes close."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def suggestion(word: str, known: Sequence[str]) -> str:
    """``; did you mean 'x'?`` or, where nothing is close, the list of what there is."""
    best = nearest(word, known)
    if best is not None:
        return f"; did you mean '{best}'?"
    return f"; known: {', '.join(sorted(known))}" if known else ""


def report(error: UserError) -> None:
    """Shows a user's mistake without a traceback: every problem on its own line, then the advice."""
    lines = [problem.replace("\n", "\n      ") for problem in error.problems]
    if len(lines) == 1:
        print(f"ecomgpt: {lines[0]}", file=sys.stderr)
    else:
        print(f"ecomgpt: {len(lines)} problems:", *(f"  - {line}" for line in lines), sep="\n", file=sys.stderr)
    if error.advice:
        print("", *error.advice, sep="\n", file=sys.stderr)
