"""One process of a group: ``python -m ecomgpt.worker <run directory> <module:function>``, started by `ecomgpt.launch.group`."""

import importlib
import os
import signal
import sys
import traceback

from ecomgpt.launch import _interrupt
from ecomgpt.rundir import existing_run, log, log_to


def main(path: str, target: str) -> int:
    """Runs the target with the run's configuration; the first failing process leaves its message in ``status.json``."""
    run, config = existing_run(path)
    if os.environ.get("RANK", "0") == "0":
        log_to(run)
    signal.signal(signal.SIGTERM, _interrupt)
    module, function = target.split(":")
    try:
        getattr(importlib.import_module(module), function)(config, run)
    except KeyboardInterrupt:
        run.update(state="interrupted")
        return 1
    except Exception as error:
        log.error("%s", traceback.format_exc())
        if not run.status().get("error"):
            run.update(error=f"{type(error).__name__}: {error}".split("\n")[0])
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
