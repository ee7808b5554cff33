"""A run that is stopped after one of its calls, and goes on when it is told."""
import os
import signal
import time
from pathlib import Path

import injection

MARK = "--- stopped by SIGSTOP ---"


class Paused:
    """Starts a scenario, and waits until its first thread has made the n-th of a call.

    strace traces it from outside of its family, so that it is our child and can be told to go on.
    """

    def __init__(self, call, number, workshop):
        log = Path(workshop.log)
        log.unlink(missing_ok=True)
        strace = ["strace", "-D", "-q", "-o", str(log), "-e", f"trace={call}"]
        strace += ["-e", f"inject={call}:signal=SIGSTOP:when={number}"]
        command = [workshop.tool, *workshop.scenario.command]
        self._process = injection.start([*strace, *command], workshop.folder)
        self.is_paused = self._wait(log)

    def _wait(self, log):
        end = time.monotonic() + injection.PATIENCE
        # Whether it has ended is looked at without taking its status.
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while os.waitid(os.P_PID, self._process.pid, options) is None:
            if log.exists() and MARK in log.read_text(errors="replace"):
                return True
            if time.monotonic() > end:
                self._process.kill()
            time.sleep(0.002)
        return False

    def go_on(self):
        """Lets it come to its end."""
        if self.is_paused:
            os.kill(self._process.pid, signal.SIGCONT)
        return injection.finish(self._process)
