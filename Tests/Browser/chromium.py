"""Chromium without a window, driven over the DevTools protocol through a pair of pipes."""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time


def find():
    """The path of a Chromium or Chrome, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if path := shutil.which(name):
            return path
    return None


class Chromium:
    """A running browser; every message that is no answer is kept in `events`."""

    SECONDS = 60

    def __init__(self, path):
        self.profile = tempfile.mkdtemp(prefix="browser-")
        commands, self._to = os.pipe()
        self._from, answers = os.pipe()
        # The browser reads descriptor 3 and writes to 4.
        script = 'exec "$0" "$@" 3<&%d 4>&%d' % (commands, answers)
        arguments = [
            "--headless", "--remote-debugging-pipe", f"--user-data-dir={self.profile}",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-default-apps", "--disable-extensions", "--disable-sync", "--disable-gpu",
            "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
        ]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        self.process = subprocess.Popen(
            ["bash", "-c", script, path, *arguments, "about:blank"],
            pass_fds=(commands, answers), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self._rest = b""
        self._number = 0
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.page(f"{domain}.enable")

    def close(self):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except Exception:
            self.process.kill()
            self.process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self.profile, ignore_errors=True)

    def page(self, method, **parameters):
        """Calls a method of the open page."""
        return self.call(method, session=self.session, **parameters)

    def call(self, method, session=None, **parameters):
        """Calls a method and waits for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        rest = json.dumps(message).encode() + b"\0"
        while rest:
            rest = rest[os.write(self._to, rest):]
        deadline = time.monotonic() + self.SECONDS
        while True:
            answer = self._read(deadline, method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, event):
        """Waits until an event has come."""
        deadline = time.monotonic() + self.SECONDS
        while not any(found.get("method") == event for found in self.events):
            self.events.append(self._read(deadline, event))

    def evaluate(self, expression):
        """The value of an expression of JavaScript, in the tools' own world: the page's policy forbids
        scripts in its own."""
        answer = self.page(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def _read(self, deadline, what):
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"the browser did not answer: {what}")
            part = os.read(self._from, 1 << 16)
            if not part:
                raise ConnectionError(f"the browser ended: {what}")
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)
