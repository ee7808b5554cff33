"""What a scenario works with: the tool, a base of many shards, and its fold on one machine."""
import filecmp
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from cluster import wait_until


class Workshop:
    """A folder with a base, and the fold of it to be had."""

    def __init__(self, folder, tool, root, cluster):
        self.folder, self.tool, self.cluster = folder, tool, cluster
        self.adapter = root / "Fixtures" / "minilm" / "is"
        # Without the record of this first fold, so that the second is none too many.
        self.succeed(
            "fold", self.adapter, "--scale", "0", "--method", "none", "--no-provenance", "--into",
            root / "Fixtures" / "minilm" / "base.safetensors", "--max-shard-size", "300KB", "-o",
            "base")
        self.fold = ("fold", self.adapter, "--method", "bw", "--into", "base")
        self.succeed(*self.fold, "-o", "expected")
        self.shards = len([*(folder / "base").glob("*.safetensors")])

    def run(self, *arguments, environment=None):
        """Runs the tool in the folder."""
        return subprocess.run(
            [str(word) for word in (self.tool, *arguments, "--quiet", "--json")], cwd=self.folder,
            env=dict(self.cluster.environment, **(environment or {})), capture_output=True,
            text=True, timeout=120)

    def succeed(self, *arguments):
        """Runs the tool, which must succeed; gives the JSON it printed."""
        outcome = self.run(*arguments)
        require(outcome.returncode == 0, f"status {outcome.returncode}: {outcome.stderr.strip()}")
        return json.loads(outcome.stdout)

    def submit(self, *arguments):
        """Gives the cluster the fold into `out`."""
        return self.succeed(
            *self.fold, "-o", "out", "--engine", "slurm", "--time", "5", *arguments)

    def status(self, *arguments):
        """How far the plan is: exit status and JSON."""
        outcome = self.run("plan", "status", "out.plan", *arguments)
        require(outcome.returncode in (0, 1), outcome.stderr.strip())
        return outcome.returncode, json.loads(outcome.stdout)

    def states(self, stage):
        """The states of a stage's tasks."""
        return [task["state"] for task in self.status()[1]["tasks"] if task["stage"] == stage]

    def wait_for(self, stage, state, count, seconds=60):
        """Waits until so many tasks of a stage are in a state."""
        wait_until(
            lambda: self.states(stage).count(state) >= count, f"{count} {state} of {stage}", seconds)

    def expect_complete(self):
        """The output is there, the same bytes as on one machine, and nothing else."""
        self.cluster.wait_for_jobs()
        code, status = self.status()
        require(code == 0 and status["finished"], f"not finished: {self.errors(status)}")
        names = sorted(os.listdir(self.folder / "expected"))
        require(sorted(os.listdir(self.folder / "out")) == names, "other files")
        for name in names:
            same = filecmp.cmp(
                self.folder / "expected" / name, self.folder / "out" / name, shallow=False)
            require(same, f"{name} has other bytes")
        hidden = [name for name in os.listdir(self.folder) if name.startswith(".")]
        require(not hidden, f"left behind: {hidden}")

    def expect_nothing(self):
        """There is no output under its name."""
        require(not (self.folder / "out").exists(), "there is an output")

    @staticmethod
    def errors(status):
        return [(task["task"], task["state"], task.get("error")) for task in status["tasks"]
                if task["state"] != "done"]

    def stop_task(self, stage, seconds=60):
        """Stops a process of the tool in the middle of a task, as a node that hangs; gives the process
        and its node."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for process, node in self.processes(stage):
                try:
                    os.kill(process, signal.SIGSTOP)
                    if process in self.running():
                        return process, node
                    os.kill(process, signal.SIGCONT)
                except ProcessLookupError:
                    pass
        raise AssertionError(f"no task of {stage} seen in {seconds} s")

    def processes(self, stage):
        """Processes of the tool that run a stage's tasks, and the nodes they run on."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else [b""]
                if words[0] == str(self.tool).encode() and stage.encode() in words:
                    nodes = [text[16:].decode() for text in (entry / "environ").read_bytes().split(b"\0")
                             if text.startswith(b"SLURMD_NODENAME=")]
                    found += [(int(entry.name), node) for node in nodes]
            except OSError:
                pass
        return found

    def running(self):
        """The processes whose tasks have noted that they run."""
        notes = (self.folder / "out.plan" / "tasks").glob("[0-9]*.json")
        records = [json.loads(path.read_text()) for path in notes]
        return [record["process"] for record in records if record["state"] == "running"]


def require(condition, what):
    """Fails the scenario unless something holds."""
    if not condition:
        raise AssertionError(what)
