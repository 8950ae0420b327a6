"""Chromium without a window, and a server for the site that it looks at."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

_PATIENCE_S = 10
_SCRIPT_S = 150
"""What a script may take: the longest page takes 10 seconds to look at, and others run beside."""
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # root needs it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Browser:
    """A browser that keeps what goes wrong."""

    def __init__(self, driver: webdriver.Chrome, root: str) -> None:
        self.driver = driver
        self._root = root

    def open(self, page: str, width: int = 1280) -> list[str]:
        """Load a page, and return what went wrong: in its scripts, and in what it asked for."""
        self.resize(width)
        self.driver.get(self._root + page)
        return self.troubles()

    def resize(self, width: int) -> None:
        """Let the page that is open have another width."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
        )

    def troubles(self) -> list[str]:
        """Return what went wrong since it was asked last."""
        found = [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in {"SEVERE", "WARNING"}
        ]
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            found += self._trouble(message["method"], message["params"])
        return found

    def _trouble(self, method: str, params: dict[str, Any]) -> list[str]:
        if method == "Network.loadingFailed":
            return [f"failed: {params}"]
        if method == "Network.responseReceived" and params["response"]["status"] >= 400:
            return [f"{params['response']['status']}: {params['response']['url']}"]
        if method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if urlsplit(url).scheme != "data" and not url.startswith(self._root):
                return [f"another host: {url}"]
        return []

    def run(self, script: str, *args: object) -> Any:
        """Return what a script returns."""
        return self.driver.execute_script(script, *args)

    def wait_for(self, script: str) -> Any:
        """Wait until a script returns something that is true."""
        return WebDriverWait(self.driver, _PATIENCE_S, 0.05).until(lambda _: self.run(script))


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder, and return its address."""
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().partition(" port ")[2].split()[0]
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()


@contextmanager
def browsing(site: Path, profile: Path) -> Iterator[Browser]:
    """Start a browser for a built site."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with serving(site) as root:
        driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
        try:
            driver.set_script_timeout(_SCRIPT_S)
            driver.get("about:blank")
            browser = Browser(driver, root)
            browser.troubles()  # those of the page that a new browser shows
            yield browser
        finally:
            driver.quit()
