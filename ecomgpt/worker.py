"""A process that runs a prepared run directory and knows nothing of Hydra.

``python -m ecomgpt.worker <run directory>`` runs the whole job (a job of a sweep); with ``<module:function>`` it is one
process of a group that `ecomgpt.launch.group` started.
"""

import importlib
import os
import signal
import sys
import traceback

from ecomgpt.__main__ import report
from ecomgpt.errors import UserError
from ecomgpt.launch import execute, interrupt, preflight
from ecomgpt.rundir import existing_run, log, log_to


def main(path: str, target: str | None = None) -> int:
    """Runs the job, or the target with the run's configuration."""
    run, config = existing_run(path)
    if target is None:
        try:
            preflight(config)
            run.update(pid=os.getpid())
            return execute(config, run)
        except UserError as error:
            run.update(state="failed", error=str(error))
            report(error)
            return 2
    if os.environ.get("RANK", "0") == "0":
        log_to(run)
    signal.signal(signal.SIGTERM, interrupt)
    module, function = target.split(":")
    try:
        getattr(importlib.import_module(module), function)(config, run)
    except KeyboardInterrupt:
        # The group's parent reads the state; another code would make the launcher report a failure.
        run.update(state="interrupted")
        return 0
    except Exception as error:
        log.error("%s", traceback.format_exc())
        # The first process to fail names the cause; the others fail because of it.
        if not run.status().get("error"):
            run.update(error=f"{type(error).__name__}: {error}".split("\n")[0])
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
