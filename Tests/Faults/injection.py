"""Faults that strace injects into the calls of one run of the tool."""
import os
import re
import signal
import subprocess
import threading
from collections import Counter
from dataclasses import dataclass

FAILURES = ("EIO", "EINTR", "EACCES", "EROFS", "ENOSPC")

# A call that lies says that it moved 100 bytes, or shared blocks, and does nothing; one that ends says
# that a file ends there.
EFFECTS = {
    "write": (*FAILURES, "lie"),
    "pwrite64": (*FAILURES, "lie"),
    "copy_file_range": (*FAILURES, "lie"),
    "fsync": FAILURES,
    "rename": FAILURES,
    "renameat2": (*FAILURES, "EINVAL"),
    "openat": (*FAILURES, "EMFILE"),
    "ftruncate": ("EIO", "EINTR", "ENOSPC"),
    "fallocate": ("EIO", "ENOSPC", "EINTR", "EOPNOTSUPP"),
    "unlink": ("EIO", "EACCES", "EROFS"),
    "rmdir": ("EIO",),
    "mkdir": ("EACCES", "EROFS", "ENOSPC"),
    "pread64": ("EIO", "EINTR", "end"),
    "ioctl": ("EIO", "lie"),
    "fchmod": ("EIO", "EACCES", "EROFS"),
    "close": ("EIO", "EINTR"),
    "read": ("EIO", "EINTR", "end"),
    "newfstatat": ("EIO", "EACCES"),
    "getdents64": ("EIO", "end"),
    "flock": ("EINTR", "ENOLCK", "EAGAIN"),
    "statfs": ("EIO",),
    "mmap": ("ENOMEM",),
    "clone3": ("EAGAIN",),
    "pipe2": ("EMFILE",),
    "poll": ("EINTR",),
    "wait4": ("EINTR",),
}
CALLS = tuple(EFFECTS)
# Calls between which nothing changes on the disk.
HARMLESS = frozenset((
    "close", "read", "newfstatat", "getdents64", "flock", "statfs", "mmap", "clone3", "pipe2", "poll",
    "wait4",
))
SIGNALS = ("SIGKILL", "SIGINT", "SIGTERM")
# How a process ends that gets no memory: allocations that fail are not reported, but end it.
OUT_OF_MEMORY = frozenset(("SIGILL", "SIGTRAP", "SIGABRT", "SIGSEGV"))
# Seconds after which a run hangs; it takes less than one.
PATIENCE = 60

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
    def deaths(self):
        """Names of the signals that the run may die of."""
        if self.is_signal:
            return {self.effect}
        return OUT_OF_MEMORY if self.effect == "ENOMEM" else set()

    @property
    def option(self):
        if self.is_signal:
            what = f"signal={self.effect}"
        elif self.effect in ("lie", "end"):
            is_nothing = self.effect == "end" or self.call == "ioctl"
            what = "retval=0" if is_nothing else "retval=100"
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

    @property
    def death(self):
        """The name of the signal that killed it; None where it came to an end."""
        return signal.Signals(-self.status).name if self.status < 0 else None


@dataclass(frozen=True)
class Calls:
    """How often a run makes each call."""

    first: Counter  # by its first thread
    others: Counter  # by whichever other one makes most of them
    starting: Counter  # by the first thread before it looks at its folder


def start(command, folder):
    """Starts a command."""
    return subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)


def finish(process):
    """Waits for the end of a command, and measures its memory; one that hangs is killed."""
    clock = threading.Timer(PATIENCE, os.killpg, (process.pid, signal.SIGXCPU))
    clock.start()
    with process:
        output, error = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        clock.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    return Outcome(process.returncode, output, error, usage.ru_maxrss)


def run(command, folder):
    """Runs a command to its end."""
    return finish(start(command, folder))


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
    """How often a run without a fault makes each call."""
    strace = ["strace", "-f", "--seccomp-bpf", "-q", "-o", log, "-e", "trace=" + ",".join(CALLS)]
    outcome = run([*strace, *(["-e", always] if always else []), *command], folder)
    counts, starting, has_started = Counter(), Counter(), False
    with open(log, errors="replace") as file:
        for line in file:
            if match := re.match(r"(\d+) +(\w+)\(", line):
                counts[match[1], match[2]] += 1
                # Before, libraries are loaded, by absolute paths.
                has_started = has_started or 'AT_FDCWD, "' in line and 'AT_FDCWD, "/' not in line
                if not has_started:
                    starting[match[2]] += 1
    first, others = Counter(), Counter()
    for (thread, call), count in counts.items():
        if thread == next(iter(counts))[0]:
            first[call] = count
        else:
            others[call] = max(others[call], count)
    return outcome, Calls(first, others, starting)


def is_possible():
    """Why nothing can be injected on this machine; nothing where it can."""
    probe = ["strace", "--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write", "true"]
    try:
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "strace is not installed"
    return None if done.returncode == 0 else f"strace can't trace here: {done.stderr.strip()}"
