"""A group of training processes on this machine: started, watched, stopped.

The command's own process never joins the group. It holds the store where the processes meet, so no port has to be guessed,
and starts `ecomgpt.cli.worker`, which does not import Hydra and reads the resolved configuration from the run directory.
Lightning's own launcher would execute the command line again in every child, ``--multirun`` included (lightning #11617,
hydra #2070). Groups over several machines are torchrun's: `ecomgpt.run.torchrun`.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ecomgpt.common.errors import JobFailure, UserError
from ecomgpt.config.schema import Config
from ecomgpt.run.directory import Run

RANK_VARIABLES = (
    "RANK",
    "LOCAL_RANK",
    "GROUP_RANK",
    "ROLE_RANK",
    "NODE_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "GROUP_WORLD_SIZE",
    "ROLE_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "TORCHELASTIC_RUN_ID",
    "TORCHELASTIC_RESTART_COUNT",
    "TORCHELASTIC_MAX_RESTARTS",
    "TORCHELASTIC_USE_AGENT_STORE",
)
"""A launcher above us may have set these; a process group of our own must not inherit them."""
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
    """Runs ``module:function`` of a job in ``trainer.devices`` processes and waits for them.

    Raises:
        UserError: If a process ended with a user's mistake.
        JobFailure: If a process failed or died; with its message.
        KeyboardInterrupt: If the group was interrupted.
    """
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    with tempfile.TemporaryDirectory(prefix="ecomgpt-") as folder:
        command = [sys.executable, "-m", "ecomgpt.cli.worker", str(run.path), function]
        processes: list[subprocess.Popen] = []
        try:
            for rank in range(config.trainer.devices):
                # A session of its own: the terminal's Ctrl-C reaches the parent alone, which passes it on once.
                environment = _environment(config, rank, store.port, folder)
                processes.append(subprocess.Popen(command, env=environment, start_new_session=True))
            codes = _watch(processes)
        finally:
            _send(processes, signal.SIGKILL)
        _conclude(codes, Path(folder))


def without_ranks() -> dict[str, str]:
    """The environment without what a launcher above us has set."""
    return {name: value for name, value in os.environ.items() if name not in RANK_VARIABLES}


def orphaned() -> bool:
    """Called in a process of a group: whether its parent is gone, killed for example; the system has then given it another one."""
    parent = os.environ.get(PARENT)
    return parent is not None and int(parent) != os.getppid()


def leave_error(error: BaseException) -> None:
    """Called in a process of a group: leaves the reason of its end for the parent."""
    folder = os.environ.get(ERRORS)
    if folder is None:
        return
    rank = os.environ.get("RANK", "0")
    text = (
        str(error) if isinstance(error, (UserError, JobFailure)) else f"{type(error).__name__}: {error}".split("\n")[0]
    )
    reason = {"at": time.time(), "rank": int(rank), "text": text, "user": isinstance(error, UserError)}
    # The parent may be gone, and the folder with it.
    with contextlib.suppress(OSError):
        (Path(folder) / f"{rank}.json").write_text(json.dumps(reason), encoding="utf-8")


def _environment(config: Config, rank: int, port: int, folder: str) -> dict[str, str]:
    count = config.trainer.devices
    threads = config.trainer.threads or max(1, (os.cpu_count() or 1) // count)
    own = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "GROUP_RANK": 0,
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        # The store is the parent's, as it is torchrun's agent's: no process opens a server.
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": 0,
        "OMP_NUM_THREADS": threads,
        "PYTHONUNBUFFERED": 1,
        PARENT: os.getpid(),
        ERRORS: folder,
    }
    environment = {**without_ranks(), **{name: str(value) for name, value in own.items()}}
    if sys.platform == "linux":
        # One machine: the loopback interface is there whatever the host's name resolves to.
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return environment


def _watch(processes: list[subprocess.Popen]) -> list[tuple[int, int]]:
    """Waits until all have ended; passes Ctrl-C on; once one has failed, the others are not waited for long.

    Returns:
        (rank, exit code) in the order in which they ended.
    """
    ended: list[tuple[int, int]] = []
    deadline, asked = float("inf"), 0
    while len(ended) < len(processes):
        try:
            known = {rank for rank, _ in ended}
            fresh = [
                (rank, code)
                for rank, process in enumerate(processes)
                if rank not in known and (code := process.poll()) is not None
            ]
            # Of those that ended since the last look, one that was killed is the cause of the others' end.
            ended += sorted(fresh, key=lambda item: item[1] >= 0)
            for _, code in ended[len(known) :]:
                if code:
                    deadline = min(deadline, time.monotonic() + (LEAVE if code == INTERRUPTED else GRACE))
            if time.monotonic() > deadline:
                _send(processes, signal.SIGKILL)
            time.sleep(0.05)
        except KeyboardInterrupt as error:
            # A cluster may announce its stop several times; only a second Ctrl-C means: at once.
            if asked == 0:
                _send(processes, signal.SIGINT)
            elif type(error) is KeyboardInterrupt:
                _send(processes, signal.SIGKILL)
            asked += 1
    if asked and (
        any(code == -signal.SIGKILL for _, code in ended)
        or not any(code > 0 and code != INTERRUPTED for _, code in ended)
    ):
        raise KeyboardInterrupt
    return ended


def _send(processes: list[subprocess.Popen], number: signal.Signals) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)
            if number == signal.SIGKILL:
                process.wait()


def _conclude(codes: list[tuple[int, int]], folder: Path) -> None:
    """Raises what ended the group, told by the process that ended first."""
    failed = [(rank, code) for rank, code in codes if code not in (0, INTERRUPTED)]
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
