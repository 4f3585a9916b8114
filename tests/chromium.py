"""A headless Chromium that tests can drive, by its own protocol over two pipes."""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE = 120.0
_KEYS = {"Tab": 9, "ArrowRight": 39, "ArrowLeft": 37, "Home": 36, "End": 35}


def find_chromium():
    """Its path, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One browser with one page; a context manager.

    Attributes:
        events: What the browser has told, as (method, params).
    """

    def __init__(self, path):
        self.folder = tempfile.TemporaryDirectory(prefix="chromium", ignore_cleanup_errors=True)
        commands, self.write = os.pipe()
        self.read, answers = os.pipe()
        command = (
            f"exec '{path}' --headless --no-sandbox --disable-gpu --disable-dev-shm-usage "
            f"--no-first-run --disable-extensions --user-data-dir='{self.folder.name}' "
            f"--remote-debugging-pipe about:blank 3<&{commands} 4>&{answers}"
        )
        self.process = subprocess.Popen(
            ["bash", "-c", command], pass_fds=(commands, answers), stderr=subprocess.DEVNULL
        )
        os.close(commands)
        os.close(answers)
        self.last, self.buffer, self.events, self.session = 0, b"", [], None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.send(f"{domain}.enable")
        self.send("Page.setLifecycleEventsEnabled", enabled=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)
        os.close(self.read)
        os.close(self.write)
        self.folder.cleanup()

    def send(self, method, **params):
        """Calls a method of the protocol and returns its result."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _next(self):
        end = time.monotonic() + _PATIENCE
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError("Chromium does not answer.")
            self.buffer += os.read(self.read, 1 << 20)
        line, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(line)
        if "method" in message:
            self.events.append((message["method"], message.get("params", {})))
        return message

    def open(self, path):
        """Loads a file and waits until it is there; events before it are forgotten."""
        self.events.clear()
        loader = self.send("Page.navigate", url=path.as_uri())["loaderId"]
        while not any(_is_load(method, params, loader) for method, params in self.events):
            self._next()

    def evaluate(self, expression):
        """The value of an expression in the page; of a promise, what it comes to."""
        found = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def press(self, key):
        """Presses a key and lets it go."""
        for kind in ("rawKeyDown", "keyUp"):
            code = _KEYS[key]
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    def prefer(self, scheme):
        """Makes the reader prefer `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)


def _is_load(method, params, loader):
    wanted = {"loaderId": loader, "name": "load"}
    return method == "Page.lifecycleEvent" and wanted.items() <= params.items()
