"""A process that runs one function on a prepared run directory: a job of a sweep, or a member of a group.

``python -m ecomgpt.runtime.worker <run directory> <module:function>``, started by `ecomgpt.runtime.process_group`; it
knows nothing of Hydra and reads the resolved configuration from the directory. Its parent tells how it ended.
"""

import importlib
import logging
import os
import signal
import sys
import traceback
from pathlib import Path

from ecomgpt.common.errors import JobFailure, UserError
from ecomgpt.common.log import log, log_to
from ecomgpt.runtime.directory import Run
from ecomgpt.runtime.process_group import INTERRUPTED, PARENT, leave_error
from ecomgpt.runtime.signals import preemptible, when_parent_ends
from ecomgpt.runtime.torchrun import rank


def main(path: str, target: str) -> int:
    """Calls ``function(config, run)``.

    Returns:
        The exit code: 0 done, 1 failed, `INTERRUPTED`.
    """
    try:
        # Without its parent nobody waits for the work: it is saved as if a cluster had announced its stop.
        when_parent_ends(int(os.environ[PARENT]), lambda: os.kill(os.getpid(), signal.SIGUSR1))
        run = Run(Path(path).absolute())
        config = run.config()
        log_to(run.logs, process=rank())
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
    with preemptible():
        code = main(*sys.argv[1:])
        # Threads of the communication library may still run; Python's ordinary end now and then destroys them alive,
        # which aborts a process that has done its work ("terminate called without an active exception").
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
