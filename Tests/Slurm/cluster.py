"""A Slurm cluster of its own on this machine: a controller and two nodes, each a process."""
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo", "scancel", "scontrol")
NODES = ("n1", "n2")

CONFIGURATION = """\
ClusterName=resloratool
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdTimeout=8
SlurmctldTimeout=8
KillWait=2
MinJobAge=300
MaxArraySize=10000
NodeName={nodes[0]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=500
NodeName={nodes[1]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=1 RealMemory=500
PartitionName=main Nodes={nodes[0]},{nodes[1]} Default=YES MaxTime=30 State=UP
"""


def missing():
    """Why no cluster can be had here; None where it can."""
    if os.uname().sysname != "Linux":
        return "Slurm's nodes need Linux"
    if os.geteuid() != 0:
        return "needs to be root, as Slurm's daemons do"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


class Cluster:
    """The daemons, in a folder; ends them when it is left."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.configuration = self.folder / "slurm.conf"
        self.environment = dict(os.environ, SLURM_CONF=str(self.configuration))
        self.daemons = {}

    def __enter__(self):
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir()
        self.configuration.write_text(CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], ports=free_ports(4), folder=self.folder,
            nodes=NODES))
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        try:
            self._start("munged", "munged", "--foreground", "--force", "--key-file", key,
                        "--socket", self.folder / "munge.socket",
                        "--pid-file", self.folder / "munge.pid",
                        "--log-file", self.folder / "munge.log",
                        "--seed-file", self.folder / "munge.seed")
            wait_until(lambda: (self.folder / "munge.socket").exists(), "munged")
            self.start_controller()
            for node in NODES:
                self.start_node(node)
            self.wait_for_nodes("idle", 2)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if "slurmctld" in self.daemons:
            self.run("scancel", "--user=root", check=False)
        for name in [*self.daemons][::-1]:
            self.kill(name)

    def _start(self, name, *command):
        log = open(self.folder / f"{name}.out", "ab")
        # A session of its own: what it starts is killed with it, or not, as on a node.
        self.daemons[name] = subprocess.Popen(
            [str(word) for word in command], env=self.environment, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True)

    def start_controller(self):
        """Starts slurmctld, with what an earlier one had noted."""
        self._start("slurmctld", "slurmctld", "-D", "-f", self.configuration)

    def start_node(self, node):
        """Starts a node's slurmd."""
        self._start(node, "slurmd", "-D", "-N", node, "-f", self.configuration)

    def kill(self, name):
        """Kills a daemon as a power cut would, and with a node all that runs on it."""
        daemon = self.daemons.pop(name)
        daemon.kill()
        if name in NODES:
            for process in processes_of(name):
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        daemon.wait()

    def repair(self):
        """Starts again what was killed."""
        if "slurmctld" not in self.daemons:
            self.start_controller()
        for node in NODES:
            if node not in self.daemons:
                self.start_node(node)
        self.wait_for_nodes("idle", len(NODES))

    def run(self, *command, check=True):
        """Runs one of Slurm's commands; gives what it printed."""
        result = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60)
        if check and result.returncode:
            raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip()}")
        return result.stdout

    def wait_for_nodes(self, state, count, seconds=60):
        """Waits until so many nodes are in a state."""
        def are():
            text = self.run("sinfo", "--noheader", "--Node", "--format=%T", check=False)
            return [line.strip("*~#") for line in text.split()].count(state) >= count
        wait_until(are, f"{count} nodes {state}", seconds)

    def wait_for_jobs(self, seconds=180):
        """Waits until no job is left."""
        wait_until(
            lambda: not self.run("squeue", "--noheader", check=False).strip(), "all jobs", seconds)


def processes_of(node):
    """What a node runs, those first that would tell the controller of the end of others."""
    steps, tasks = set(), []
    for entry in Path("/proc").iterdir():
        try:
            variables = (entry / "environ").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if f"SLURMD_NODENAME={node}".encode() in variables:
            tasks.append(int(entry.name))
            parent = parent_of(entry)
            if parent and (Path("/proc") / str(parent) / "cmdline").read_bytes().startswith(b"slurmstepd"):
                steps.add(parent)
    return [*steps, *tasks]


def parent_of(entry):
    try:
        return int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def free_ports(count):
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_until(condition, what, seconds=60):
    """Waits for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.2)
