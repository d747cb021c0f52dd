"""A process that runs a prepared run directory and knows nothing of Hydra.

``python -m ecomgpt.worker <run directory>`` runs the whole job (a job of a sweep); with ``<module:function>`` it is one
process of a group that `ecomgpt.group.run_group` started.
"""

import importlib
import logging
import os
import sys
import traceback

from ecomgpt.__main__ import report
from ecomgpt.errors import JobFailure, UserError
from ecomgpt.group import INTERRUPTED, RANK_VARIABLES, leave_error
from ecomgpt.launch import execute, heed_preemption, preflight
from ecomgpt.rundir import Run, existing_run, log, log_to


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
        heed_preemption()
        run, config = existing_run(path)
        log_to(run, process=int(os.environ.get("RANK", "0")))
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
