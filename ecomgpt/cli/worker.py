"""A process that runs a prepared run directory and knows nothing of Hydra.

``python -m ecomgpt.cli.worker <run directory>`` runs the whole job (a job of a sweep); with ``<module:function>`` it is one
process of a group that `ecomgpt.run.process_group.run_group` started.
"""

import importlib
import logging
import os
import sys
import traceback

from ecomgpt.cli.launch import execute, preflight
from ecomgpt.common.errors import JobFailure, UserError, report
from ecomgpt.common.log import log, log_to
from ecomgpt.run.directory import Run, existing_run
from ecomgpt.run.process_group import INTERRUPTED, RANK_VARIABLES, leave_error
from ecomgpt.run.signals import install_signal_handlers


def main(path: str, target: str | None = None) -> int:
    """Runs the job, or the target with the run's configuration."""
    if target is not None:
        return member(path, target)
    for name in RANK_VARIABLES:
        os.environ.pop(name, None)
    run: Run | None = None
    try:
        run, config = existing_run(path)
        preflight(config)
        run.update(pid=os.getpid())
        return execute(config, run)
    except UserError as error:
        if run is not None:
            run.update(state="failed", error=str(error))
        report(error)
        return 2


def member(path: str, target: str) -> int:
    """One process of a group; its parent tells the user and keeps ``status.json``."""
    try:
        install_signal_handlers()
        run, config = existing_run(path)
        log_to(run.logs, process=int(os.environ.get("RANK", "0")))
        module, function = target.split(":")
        getattr(importlib.import_module(module), function)(config, run)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (UserError, JobFailure) as error:
        leave_error(error)
        return 1
    except Exception as error:
        leave_error(error)
        log.error("%s", traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    if len(sys.argv) > 2:
        # Threads of the communication library may still run; Python's ordinary end now and then destroys them alive, which
        # aborts a process that has done its work ("terminate called without an active exception").
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
