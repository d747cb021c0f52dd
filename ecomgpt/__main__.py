"""The command ``python -m ecomgpt``: composes and checks the configuration, then starts the job."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ecomgpt import __version__
from ecomgpt.common.errors import JobFailure, UserError, report
from ecomgpt.runtime.script import require_main_guard


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Returns:
        The exit code: 0 done, 1 a job failed, 2 the command, the configuration or the input is wrong.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        require_main_guard()
        return _dispatch(arguments)
    except UserError as error:
        report(error)
        return 2
    except JobFailure as error:
        print(f"\necomgpt: the job failed: {error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
        return 1
    except BrokenPipeError:  # Whoever read the output is gone (`| head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        report(UserError(f"cannot read or write '{error.filename}': {error.strerror or error}"))
        return 2
    except KeyboardInterrupt as error:
        print(f"\nInterrupted. {error}".rstrip(), file=sys.stderr)
        return 1


def _dispatch(arguments: list[str]) -> int:
    if any(item in ("-h", "--help") for item in arguments):
        from ecomgpt.config.help import page

        print(page(arguments))
        return 0
    if "--version" in arguments:
        print(f"ecomgpt {__version__}")
        return 0
    from ecomgpt.config import files  # Hydra takes a third of a second, which --help should not.
    from ecomgpt.plan.configuration import configured

    flags, overrides = _flags(arguments)
    roots = files.search_roots(overrides, flags.config_dir)
    if flags.multirun:
        from ecomgpt.cli.sweep.run import sweep
        from ecomgpt.runtime.torchrun import refuse

        refuse("--multirun")
        return sweep(overrides, roots)
    if flags.cfg or flags.info or flags.hydra_help or flags.shell_completion:
        return _hydra(arguments, overrides, roots, flags.resolve)
    from ecomgpt.cli.launch import start
    from ecomgpt.runtime import torchrun

    overrides = torchrun.overrides(overrides)
    start(configured(overrides, roots), arguments)
    return 0


def _flags(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Hydra's flags, and the arguments that are none."""
    from hydra._internal.utils import get_args_parser

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise UserError(f"command line: {message}; see python -m ecomgpt --help")

    parser = Parser(add_help=False, allow_abbrev=False, parents=[get_args_parser()], conflict_handler="resolve")
    flags, unknown = parser.parse_known_args(arguments)
    see = "see python -m ecomgpt --help"
    found = [
        f"command line: unknown option '{item}'; {see}" for item in (*flags.overrides, *unknown) if item.startswith("-")
    ]
    if flags.config_name or flags.config_path:
        found.append(
            "command line: --config-name and --config-path can't be used; give paths.conf=<your configuration folder>"
        )
    if flags.multirun and (flags.cfg or flags.info):
        found.append("command line: --multirun runs jobs and --cfg only shows a configuration; give one of them")
    if found:
        raise UserError(*found)
    return flags, [*flags.overrides, *unknown]


def _hydra(arguments: list[str], overrides: list[str], roots: list[Path], resolve: bool) -> int:
    """Hydra's own questions (``--cfg``, ``--info``, ``--hydra-help``, completion) are answered by Hydra."""
    import hydra

    from ecomgpt.config import command, compose
    from ecomgpt.config.roots import shipped
    from ecomgpt.plan import configuration

    raw = compose.composed(overrides, roots)
    if resolve:
        configuration.checked(raw)
    before = sys.argv
    # Overrides in one piece: Hydra's parser takes no second one after a flag.
    flags = [item for item in arguments if item not in overrides]
    sys.argv = ["ecomgpt", *flags, *command.opened(overrides), *compose.searchpath(roots)]
    try:
        hydra.main(config_path=str(shipped("conf")), config_name="config", version_base="1.3")(lambda config: None)()
    finally:
        sys.argv = before
    return 0


if __name__ == "__main__":
    sys.exit(main())
