"""Runs the real server binary on a free port with a data folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class TestServer:
    def __init__(self, **settings: str):
        self.settings = settings
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="messagebox-")
        self.log_path = os.path.join(self.folder, "test.log")
        self.launch()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "NODE_ENV": "development",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": self.folder,
            "CONFIG_DIR": self.folder,
            "RUST_LOG": "messagebox=debug",
            **self.settings,
        }
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [os.environ["MESSAGEBOX_SERVER"]], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self.log()}")
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.host}/", timeout=5)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def log(self) -> str:
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def restart(self) -> None:
        """Kills the server and starts it again on the same port."""
        self.process.kill()
        self.process.wait()
        self.launch()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        log = self.log()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert code == 0, f"the server ended with {code}:\n{log}"
