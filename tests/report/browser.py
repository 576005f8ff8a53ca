"""A browser by the W3C's WebDriver protocol, as much of it as the tests need: Debian's chromium and chromium-driver."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final
from urllib.error import URLError

INSTALLED = shutil.which("chromedriver") is not None and shutil.which("chromium") is not None
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ENTER, TAB = "\ue007", "\ue004"


@final
class Browser:
    """One window."""

    def __init__(self, address: str, session: str) -> None:
        self._base = f"{address}/session/{session}"

    def call(self, path: str, **body: Any) -> Any:
        return request(f"{self._base}/{path}", body)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.call("execute/sync", script=script, args=list(arguments))

    def open(self, address: str, *, width: int, dark: bool = False) -> None:
        scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
        self.call("goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params=scheme)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params=size)
        self.call("url", url=address)

    def press(self, *keys: str) -> None:
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.call("se/log", type="browser")]


def request(address: str, body: dict[str, Any] | None = None, method: str = "POST") -> Any:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.loads(answer.read())["value"]


@contextmanager
def browser(profile: str) -> Iterator[Browser]:
    """Start a driver on a free port and a browser; end both."""
    with subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            address = f"http://127.0.0.1:{_port(driver)}"
            options = {"args": [*QUIET, f"--user-data-dir={profile}"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            session = _started(address, {"capabilities": {"alwaysMatch": wanted}})
            yield Browser(address, session)
            request(f"{address}/session/{session}", method="DELETE")
        finally:
            driver.terminate()


def _port(driver: subprocess.Popen[str]) -> str:
    assert driver.stdout is not None
    for line in driver.stdout:
        if "started successfully on port" in line:
            return line.strip().rstrip(".").rpartition(" ")[2]
    raise RuntimeError("chromedriver did not start")


def _started(address: str, body: dict[str, Any]) -> str:
    for _ in range(20):
        try:
            return str(request(f"{address}/session", body)["sessionId"])
        except URLError:
            time.sleep(0.25)
    raise RuntimeError("chromium did not start")
