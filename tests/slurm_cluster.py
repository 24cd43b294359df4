"""A small Slurm on this machine, for tests: a controller and nodes that are processes here, in a folder of their own.

    python tests/slurm_cluster.py start FOLDER [--nodes 2] [--cpus 2] [--memory 16000]
    eval "$(python tests/slurm_cluster.py env FOLDER)"      # from here on sbatch, sinfo ... mean this one
    python tests/slurm_cluster.py fail FOLDER n1            # the node dies, with all that runs on it
    python tests/slurm_cluster.py stop FOLDER

Needs Slurm and munge (Debian and Ubuntu: apt-get install slurm-wlm munge) and root, as Slurm's daemons do.
Nothing outside FOLDER is written, ports are free ones, and no daemon of the system is touched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "sinfo")
#: Seconds after which a node that does not answer is down. Real clusters wait for five minutes.
SILENCE = 20


def lacking() -> str | None:
    """Why no cluster can be started here, None where one can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"Slurm is not installed ({', '.join(missing)} missing): apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "Slurm's daemons need root"


def start(folder: Path, nodes: int = 2, cpus: int = 2, memory: int = 16_000, grace: int = 30) -> None:
    """Start munged, the controller and the nodes n1, n2, ...; return when all are idle.

    Args:
        folder: takes configuration, logs and process numbers; made anew.
        nodes: number of nodes.
        cpus, memory: of each node, cores and MB, as Slurm is told: it does not look.
        grace: seconds between SIGTERM and SIGKILL at a time limit or a preemption.
    """
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("state", "munge"):
        (folder / name).mkdir(parents=True)
    (folder / "munge").chmod(0o700)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    ports = _free_ports(nodes + 1)
    lines = [
        "ClusterName=indi",
        f"SlurmctldHost={socket.gethostname().partition('.')[0]}(127.0.0.1)",
        f"SlurmctldPort={ports[0]}",
        "SlurmUser=root",
        f"AuthInfo=socket={folder}/munge/socket",
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={folder}/spool-%n",
        f"SlurmctldPidFile={folder}/slurmctld.pid",
        f"SlurmdPidFile={folder}/slurmd-%n.pid",
        f"SlurmctldLogFile={folder}/slurmctld.log",
        f"SlurmdLogFile={folder}/slurmd-%n.log",
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU_Memory",
        "SlurmdParameters=config_overrides",
        "MpiDefault=none",
        "ReturnToService=2",
        f"SlurmdTimeout={SILENCE}",
        "MinJobAge=3600",
        f"KillWait={grace}",
        "JobRequeue=1",
    ]
    for number, port in enumerate(ports[1:], start=1):
        lines.append(
            f"NodeName=n{number} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} "
            f"CPUs={cpus} RealMemory={memory} State=UNKNOWN"
        )
    lines.append("PartitionName=all Nodes=ALL Default=YES State=UP DefaultTime=60 MaxTime=INFINITE")
    (folder / "slurm.conf").write_text("\n".join(lines) + "\n")
    # Snakemake's plugin takes Slurm's variables away before it calls srun in a job
    srun = folder / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)
    munge = folder / "munge"
    _run(
        folder,
        "munged",
        "--force",
        f"--key-file={key}",
        f"--socket={munge / 'socket'}",
        f"--pid-file={folder / 'munged.pid'}",
        f"--log-file={munge / 'log'}",
        f"--seed-file={munge / 'seed'}",
    )
    _run(folder, "slurmctld")
    for number in range(1, nodes + 1):
        _run(folder, "slurmd", "-N", f"n{number}")
    until = time.monotonic() + 60
    while (states := _states(folder)).count("idle") < nodes:
        if time.monotonic() > until:
            stop(folder)
            raise RuntimeError(f"the nodes are {states or 'not there'} after a minute: see {folder}/*.log")
        time.sleep(0.5)


def environment(folder: Path) -> dict[str, str]:
    """What makes Slurm's commands talk to this cluster."""
    folder = folder.resolve()
    return {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": f"{folder}/bin{os.pathsep}{_path()}"}


def fail(folder: Path, node: str) -> None:
    """Kill the node's daemon and all that it runs, as a power cut does. Slurm finds out after SILENCE seconds."""
    daemon = psutil.Process(int((folder / f"slurmd-{node}.pid").read_text()))
    # the daemon and its helpers first: they would report that their tasks have failed
    for process in (daemon, *_tasks(folder, node)):
        _end(process, signal.SIGKILL)


def stop(folder: Path) -> None:
    """End every daemon that `start` has started, and what runs on the nodes."""
    numbers = [int(path.read_text()) for path in folder.glob("*.pid") if path.read_text().strip().isdigit()]
    for process in _tasks(folder):
        _end(process, signal.SIGKILL)
    daemons = [psutil.Process(number) for number in numbers if psutil.pid_exists(number)]
    for process in daemons:
        _end(process, signal.SIGTERM)
    _, late = psutil.wait_procs(daemons, timeout=10)
    for process in late:
        _end(process, signal.SIGKILL)


def _tasks(folder: Path, node: str | None = None) -> list[psutil.Process]:
    """What runs on a node, or on all: Slurm's helpers, which start the tasks, and then the tasks.

    Tasks are known by their environment, helpers as their parents.
    """
    ours = str(folder.resolve() / "slurm.conf")
    helpers, tasks = {}, []
    for process in psutil.process_iter():
        try:
            values = process.environ()
            on = values.get("SLURMD_NODENAME")
            if values.get("SLURM_CONF") != ours or on is None or node not in (None, on):
                continue
            tasks.append(process)
            parent = process.parent()
            if parent is not None and parent.name().startswith("slurmstepd"):
                helpers[parent.pid] = parent
        except psutil.Error:
            continue
    return [*helpers.values(), *tasks]


def _end(process: psutil.Process, number: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _run(folder: Path, *command: str) -> str:
    ran = subprocess.run(
        command, env={**os.environ, **environment(folder)}, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)}: {ran.stderr.strip() or ran.returncode}")
    return ran.stdout


def _states(folder: Path) -> list[str]:
    try:
        return _run(folder, "sinfo", "-h", "-N", "-o", "%T").split()
    except RuntimeError:  # the controller has only just begun
        return []


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["start", "env", "fail", "stop"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("node", nargs="?", help="the node that fails")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--memory", type=int, default=16_000)
    given = parser.parse_args()
    if given.what == "start":
        if reason := lacking():
            sys.exit(reason)
        start(given.folder, given.nodes, given.cpus, given.memory)
    elif given.what == "env":
        for name, value in environment(given.folder).items():
            print(f"export {name}={value!r}")
    elif given.what == "fail":
        fail(given.folder, given.node)
    else:
        stop(given.folder)


if __name__ == "__main__":
    main()
