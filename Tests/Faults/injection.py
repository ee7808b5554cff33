"""Faults that strace injects into the calls of one run of the tool."""
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass

CALLS = (
    "write", "pwrite64", "copy_file_range", "fsync", "rename", "renameat2", "openat", "ftruncate",
    "fallocate", "unlink", "rmdir", "mkdir", "pread64",
)

# A call that lies says that it moved 100 bytes and does nothing.
EFFECTS = {
    "write": ("EIO", "ENOSPC", "EINTR"),
    "pwrite64": ("EIO", "ENOSPC", "EINTR", "lie"),
    "copy_file_range": ("EIO", "ENOSPC", "EINTR", "lie"),
    "fsync": ("EIO", "ENOSPC", "EINTR"),
    "rename": ("EIO", "EACCES", "EROFS"),
    "renameat2": ("EIO", "EACCES", "EINVAL"),
    "openat": ("EIO", "EACCES", "EROFS", "EINTR"),
    "ftruncate": ("EIO", "EINTR"),
    "fallocate": ("EIO", "ENOSPC", "EINTR", "EOPNOTSUPP"),
    "unlink": ("EIO", "EACCES"),
    "rmdir": ("EIO",),
    "mkdir": ("EACCES", "EROFS", "ENOSPC"),
    "pread64": ("EIO", "EINTR"),
}
SIGNALS = ("SIGKILL", "SIGINT", "SIGTERM")

ENVIRONMENT = {**os.environ, "SWIFT_BACKTRACE": "enable=no", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th call of every thread."""

    call: str
    effect: str
    number: int

    @property
    def is_signal(self):
        return self.effect.startswith("SIG")

    @property
    def option(self):
        if self.is_signal:
            what = f"signal={self.effect}"
        elif self.effect == "lie":
            what = "retval=100"
        else:
            what = f"error={self.effect}"
        return f"inject={self.call}:{what}:when={self.number}"

    def __str__(self):
        return f"{self.call} {self.effect} n={self.number}"


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    status: int  # negative: the signal that killed it
    output: str
    error: str
    peak: int  # KiB
    was_injected: bool = False


def run(command, folder):
    """Runs a command to its end, and measures its memory."""
    with subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace",
    ) as process:
        output, error = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Outcome(process.returncode, output, error, usage.ru_maxrss)


def run_injected(fault, command, folder, log):
    """Runs a command with a fault."""
    strace = ["strace", "-f", "-q", "-o", log, "-e", f"trace={fault.call}", "-e", fault.option]
    if fault.effect not in ("SIGINT", "SIGTERM"):
        strace.append("--seccomp-bpf")  # faster, but it swallows signals that can be caught
    outcome = run([*strace, *command], folder)
    with open(log, errors="replace") as file:
        text = file.read()
    marks = (f"--- {fault.effect} ", f"killed by {fault.effect}", "(INJECTED)")
    was_injected = any(mark in text for mark in marks)
    return Outcome(outcome.status, outcome.output, outcome.error, outcome.peak, was_injected)


def count_calls(command, folder, log):
    """How often the thread that makes most of them makes each call."""
    strace = ["strace", "-f", "--seccomp-bpf", "-q", "-o", log, "-e", "trace=" + ",".join(CALLS)]
    outcome = run([*strace, *command], folder)
    counts = Counter()
    with open(log, errors="replace") as file:
        for line in file:
            if match := re.match(r"(\d+) +(\w+)\(", line):
                counts[match[1], match[2]] += 1
    most = Counter()
    for (_, call), count in counts.items():
        most[call] = max(most[call], count)
    return outcome, most


def is_possible():
    """Why nothing can be injected on this machine; nothing where it can."""
    probe = ["strace", "--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write", "true"]
    try:
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "strace is not installed"
    return None if done.returncode == 0 else f"strace can't trace here: {done.stderr.strip()}"
