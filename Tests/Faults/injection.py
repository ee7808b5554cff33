"""Faults that strace injects into the calls of one run of the tool."""
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass

CALLS = (
    "write", "pwrite64", "copy_file_range", "fsync", "rename", "renameat2", "openat", "ftruncate",
    "fallocate", "unlink", "rmdir", "mkdir", "pread64", "ioctl",
)

# A call that lies says that it moved 100 bytes, or shared blocks, and does nothing.
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
    "ioctl": ("EIO", "lie"),
}
SIGNALS = ("SIGKILL", "SIGINT", "SIGTERM")

ENVIRONMENT = {**os.environ, "SWIFT_BACKTRACE": "enable=no", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th call of a thread."""

    call: str
    effect: str
    number: int
    # Whether only calls of the first thread count; else whichever thread comes to its n-th first.
    is_first_thread: bool = False

    @property
    def is_signal(self):
        return self.effect.startswith("SIG")

    @property
    def option(self):
        if self.is_signal:
            what = f"signal={self.effect}"
        elif self.effect == "lie":
            what = "retval=0" if self.call == "ioctl" else "retval=100"
        else:
            what = f"error={self.effect}"
        return f"inject={self.call}:{what}:when={self.number}"

    def __str__(self):
        thread = ", first thread" if self.is_first_thread else ""
        return f"{self.call} {self.effect} n={self.number}{thread}"


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


def run_injected(fault, always, command, folder, log):
    """Runs a command with a fault, and one that is always there."""
    strace = ["strace", "-q", "-o", log, "-e", f"trace={fault.call}", "-e", fault.option]
    if always and not always.startswith(f"inject={fault.call}:"):
        strace += ["-e", always]
    if not fault.is_first_thread:
        strace.append("-f")
        if not fault.is_signal:
            strace.append("--seccomp-bpf")  # faster, but it swallows signals
    outcome = run([*strace, *command], folder)
    with open(log, errors="replace") as file:
        text = file.read()
    # What is always injected is not traced.
    marks = (f"--- {fault.effect} ", f"killed by {fault.effect}", "(INJECTED)")
    was_injected = any(mark in text for mark in marks)
    return Outcome(outcome.status, outcome.output, outcome.error, outcome.peak, was_injected)


def count_calls(always, command, folder, log):
    """How often the first thread makes each call, and whichever other one makes most of them."""
    strace = ["strace", "-f", "--seccomp-bpf", "-q", "-o", log, "-e", "trace=" + ",".join(CALLS)]
    outcome = run([*strace, *(["-e", always] if always else []), *command], folder)
    counts = Counter()
    with open(log, errors="replace") as file:
        for line in file:
            if match := re.match(r"(\d+) +(\w+)\(", line):
                counts[match[1], match[2]] += 1
    first, others = Counter(), Counter()
    for (thread, call), count in counts.items():
        if thread == next(iter(counts))[0]:
            first[call] = count
        else:
            others[call] = max(others[call], count)
    return outcome, first, others


def is_possible():
    """Why nothing can be injected on this machine; nothing where it can."""
    probe = ["strace", "--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write", "true"]
    try:
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "strace is not installed"
    return None if done.returncode == 0 else f"strace can't trace here: {done.stderr.strip()}"
