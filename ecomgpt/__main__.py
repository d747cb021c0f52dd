"""The command: ``python -m ecomgpt``. Composes and checks the configuration, then starts the job; imports nothing heavy."""

import sys
from collections.abc import Sequence

from ecomgpt.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Returns:
        The exit code: 0 done, 1 a job failed, 2 the command, the configuration or the input is wrong.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(arguments)
    except UserError as error:
        report(error)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted before the job started.", file=sys.stderr)
        return 1


def report(error: UserError) -> None:
    """Shows a user's mistake: every problem on its own line, no traceback."""
    count = len(error.problems)
    print(f"ecomgpt: {'nothing was done: ' if count == 1 else f'{count} problems, nothing was done:'}", end="", file=sys.stderr)
    for problem in error.problems:
        print(("" if count == 1 else "\n  - ") + problem, end="", file=sys.stderr)
    print(file=sys.stderr)
    if error.advice:
        print("\nGood to know:", *(f"  - {line}" for line in error.advice), sep="\n", file=sys.stderr)


def _dispatch(arguments: list[str]) -> int:
    if any(item in ("-h", "--help") for item in arguments):
        from ecomgpt.config.help import text

        print(text())
        return 0
    from hydra._internal.utils import get_args_parser

    from ecomgpt.config import command, compose

    parser = get_args_parser()
    flags, unknown = parser.parse_known_args(arguments)
    flagged = [item for item in [*flags.overrides, *unknown] if item.startswith("-")]
    if flagged:
        raise UserError(*(f"command line: unknown option '{item}'; see python -m ecomgpt --help" for item in flagged))
    overrides = [*flags.overrides, *unknown]
    roots = command.search_roots(overrides, flags.config_dir)
    if flags.multirun:
        from ecomgpt.sweep import sweep

        return sweep(overrides, roots)
    if flags.cfg or flags.info or flags.hydra_help or flags.shell_completion:
        return _hydra(arguments, overrides, roots)
    from ecomgpt.launch import start

    return start(compose.checked(compose.composed(overrides, roots)), arguments)


def _hydra(arguments: list[str], overrides: list[str], roots: list) -> int:
    """Hydra's own questions (``--cfg``, ``--info``, ``--hydra-help``, completion) are answered by Hydra."""
    import hydra

    from ecomgpt.config import command, compose
    from ecomgpt.config.roots import shipped

    found = command.problems(overrides, roots, multirun=False)
    if found:
        raise UserError(*found)
    compose.register()
    before = sys.argv
    sys.argv = ["ecomgpt", *command.opened(arguments), *compose.searchpath(roots)]
    try:
        hydra.main(config_path=str(shipped("conf")), config_name="config", version_base="1.3")(lambda config: None)()
    finally:
        sys.argv = before
    return 0


if __name__ == "__main__":
    sys.exit(main())
