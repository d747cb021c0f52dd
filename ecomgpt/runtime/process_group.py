"""Processes on this machine, started, watched and stopped: a group that trains or answers, or one job of a sweep.

The command's own process never joins a group. It holds the store where the processes meet, so no port has to be
guessed, and starts `ecomgpt.runtime.worker`, which does not import Hydra and reads the resolved configuration from the
run directory. Lightning's own launcher would execute the command line again in every child, ``--multirun`` included
(lightning #11617, hydra #2070). Groups over several machines are torchrun's: `ecomgpt.runtime.torchrun`.

``torch.distributed.launcher.elastic_launch`` was tried instead (torch 2.13). It starts the processes, passes SIGINT and
SIGTERM on and finds root causes, but (a) it kills them 30 s after the signal, in which a large model does not finish
its step and save, and older torch has no setting for that; (b) it takes a process that saved and left for a failed
one; (c) its processes stay when it is killed itself; (d) it does not handle SIGUSR1 and SIGUSR2, the notices of SLURM
and submitit. With these mended around it, nearly all of this module would remain.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from ecomgpt.common.errors import JobFailure, UserError, cause_of
from ecomgpt.common.files import scratch_folder
from ecomgpt.config.schema import Config, TrainerConfig
from ecomgpt.runtime import torchrun
from ecomgpt.runtime.directory import Run
from ecomgpt.runtime.torchrun import without_ranks

PARENT = "ECOMGPT_PARENT"
"""Environment variable with the id of the process that started a group; without it the group must not train on."""
ERRORS = "ECOMGPT_ERRORS"
"""Environment variable with the folder where a process of a group leaves the reason of its end."""
INTERRUPTED = 75
"""Exit code of a process that stopped because it was asked to, with a checkpoint: EX_TEMPFAIL, "try again"."""
GRACE = 5.0
"""Seconds that the others get, once one process has failed, to end by themselves; they may hang in communication."""
LEAVE = 60.0
"""Seconds that the others get once one has left after a checkpoint that was asked for."""


def run_group(config: Config, run: Run, function: str) -> None:
    """Runs ``module:function`` in ``trainer.devices`` processes and waits for them.

    Raises:
        UserError: If a process ended with a user's mistake.
        JobFailure: If a process failed or died; with its message.
        KeyboardInterrupt: If the group was interrupted.
    """
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    with scratch_folder() as folder:
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for rank in range(config.trainer.devices):
                variables = _variables(config.trainer, rank, store.port, str(folder))
                processes.append(start_process(run, function, variables))
            codes, interruption = wait(processes)
        finally:
            _send(processes, signal.SIGKILL)
        _conclude(codes, folder, interruption)


def start_process(
    run: Run, function: str, variables: Mapping[str, object] | None = None, output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Starts one process that calls ``module:function`` with the run and its configuration.

    Args:
        run: A run directory that holds its configuration.
        function: What is called.
        variables: Further environment variables.
        output: Where it prints; None for this process's own streams.
    """
    own = {PARENT: os.getpid(), **(variables or {})}
    return subprocess.Popen(
        [sys.executable, "-m", "ecomgpt.runtime.worker", str(run.path), function],
        env={**without_ranks(), **{name: str(value) for name, value in own.items()}},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        # A session of its own: the terminal's Ctrl-C reaches the parent alone, which passes it on once.
        start_new_session=True,
    )


def leave_error(error: BaseException) -> None:
    """Called in a started process: leaves the reason of its end for the parent of a group, or prints it."""
    text = cause_of(error)
    folder = os.environ.get(ERRORS)
    if folder is None:
        print(text, file=sys.stderr, flush=True)
        return
    reason = {"at": time.time(), "rank": torchrun.rank(), "text": text, "user": isinstance(error, UserError)}
    # The parent may be gone, and the folder with it.
    with contextlib.suppress(OSError):
        (Path(folder) / f"{torchrun.rank()}.json").write_text(json.dumps(reason), encoding="utf-8")


def _variables(trainer: TrainerConfig, rank: int, port: int, folder: str) -> dict[str, object]:
    """What PyTorch's ``env://`` rendezvous reads, as torchrun would set it."""
    # One machine: the loopback interface is there whatever the host's name resolves to.
    loopback = {"GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo")} if sys.platform == "linux" else {}
    return {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "GROUP_RANK": 0,
        "WORLD_SIZE": trainer.devices,
        "LOCAL_WORLD_SIZE": trainer.devices,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        # The store is the parent's, as it is torchrun's agent's: no process opens a server.
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": 0,
        "OMP_NUM_THREADS": trainer.threads or max(1, (os.cpu_count() or 1) // trainer.devices),
        "PYTHONUNBUFFERED": 1,
        ERRORS: folder,
        **loopback,
    }


def wait(processes: Sequence[subprocess.Popen[bytes]]) -> tuple[list[tuple[int, int]], BaseException | None]:
    """Waits until all have ended; passes an interruption on; once one has failed, the others are not waited for long.

    Returns:
        Place and exit code of each, in the order in which they ended, and what interrupted the wait: KeyboardInterrupt,
        or SystemExit, by which submitit leaves. The caller raises it once it has looked at the codes.
    """
    ended: dict[int, int] = {}
    deadline = float("inf")
    interruption: BaseException | None = None
    while len(ended) < len(processes):
        try:
            running = (place for place in range(len(processes)) if place not in ended)
            fresh = [(place, code) for place in running if (code := processes[place].poll()) is not None]
            # Of those that ended since the last look, one that was killed is the cause of the others' end.
            for place, code in sorted(fresh, key=lambda item: item[1] >= 0):
                ended[place] = code
                if code:
                    deadline = min(deadline, time.monotonic() + (LEAVE if code == INTERRUPTED else GRACE))
            if time.monotonic() > deadline:
                _send(processes, signal.SIGKILL)
            time.sleep(0.05)
        except (KeyboardInterrupt, SystemExit) as error:
            # A cluster may announce its stop several times; only a second Ctrl-C means: at once.
            if interruption is None:
                _send(processes, signal.SIGINT)
            elif type(error) is KeyboardInterrupt:
                _send(processes, signal.SIGKILL)
            interruption = interruption or error
    return list(ended.items()), interruption


def _send(processes: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)
            if number == signal.SIGKILL:
                process.wait()


def _conclude(codes: list[tuple[int, int]], folder: Path, interruption: BaseException | None = None) -> None:
    """Raises what ended the group: an interruption, or the failure of the process that ended first."""
    failed = [(rank, code) for rank, code in codes if code not in (0, INTERRUPTED)]
    killed = any(code == -signal.SIGKILL for _, code in codes)
    if interruption and (killed or not any(code > 0 for _, code in failed)):
        raise interruption
    if not failed:
        if any(code == INTERRUPTED for _, code in codes):
            raise KeyboardInterrupt
        return
    rank, code = failed[0]
    reasons = sorted(
        (json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")), key=lambda item: item["at"]
    )
    if code < 0:
        name = signal.Signals(-code).name
        hint = "; the system does this where main memory runs out" if name == "SIGKILL" else ""
        raise JobFailure(f"training process {rank} was killed by {name}{hint}")
    if not reasons:
        raise JobFailure(f"training process {rank} ended with exit code {code}")
    if reasons[0]["user"]:
        raise UserError(reasons[0]["text"])
    raise JobFailure(reasons[0]["text"] + (f" (in training process {reasons[0]['rank']})" if len(codes) > 1 else ""))
