"""One real server: on a port or a socket, with TLS, with users."""

import contextlib
import time
from urllib.parse import quote

from processes import HOST, NoServer, Process, free_port, has_tls, server_binary, short_wait

READY = 20.0
"""Seconds that a start may take."""

QUIET = ("--save", "", "--appendonly", "no", "--bind", HOST)
OUTSIDE = ("outside", "looks-in")
"""User and password of the tests themselves, where a server has a list of users."""


class PortTaken(Exception):
    """Somebody else took the port between the look and the start."""


class Server:
    """A server of our own: `Server.start()`, then `.url`, and `.stop()` at the end.

    Attributes:
        port: Where it listens; `None` if only at a socket.
        tls: Its certificates, or `None`.
        directory: Where it runs; its `log` is there.
    """

    @classmethod
    def start(cls, *, unix=False, tls=None, client_certificates="no", acl=(), args=(), files=None, port=None):
        """Start a server and wait until it answers.

        Args:
            unix: Listen at a socket in its directory, at no port.
            tls: `Certificates`; then it speaks TLS only.
            client_certificates: `no`, `optional` or `yes`.
            acl: Lines of an ACL file, such as `user app on >secret ~app:* +@all`.
            args: More arguments, after ours, so that they win.
            files: Text by name, written to its directory first; those named `*.conf` are its configuration.
            port: A certain one; any free one otherwise.
        """
        if tls and not has_tls(server_binary()):
            raise NoServer(f"{server_binary()} was built without TLS")
        for _ in range(5):
            chosen = None if unix else port or free_port()
            server = cls(chosen, tls, client_certificates, tuple(acl), tuple(args), files or {})
            try:
                server.launch()
                return server
            except PortTaken:
                server.stop()
                if port:
                    raise
            except BaseException:
                server.stop()
                raise
        raise PortTaken("five times in a row")

    def __init__(self, port, tls, client_certificates, acl, args, files):
        self.port = port
        self.tls = tls
        self._mutual = client_certificates
        self._acl = acl
        self._args = args
        self._process = Process()
        self._clients = []
        self.paused = False
        self._own = None
        self.directory = self._process.directory
        for name, text in files.items():
            (self.directory / name).write_text(text)
        self._files = [name for name in files if name.endswith(".conf")]
        if acl:
            control = f"user {OUTSIDE[0]} on >{OUTSIDE[1]} ~* &* +@all"
            (self.directory / "users.acl").write_text("\n".join([*acl, control, ""]))

    def launch(self):
        """Start the process and wait until it answers."""
        self.paused = False
        self._process.spawn([server_binary(), *self._files, *self._arguments()])
        deadline = time.monotonic() + READY
        while not self._answers():
            if not self._process.alive or time.monotonic() > deadline:
                text = self._process.log()
                raise PortTaken(self.port) if "Address already in use" in text else RuntimeError(text)
            short_wait()

    def _arguments(self):
        yield from QUIET
        if self.port is None:
            yield from ("--port", "0", "--unixsocket", str(self.socket))
        elif self.tls:
            yield from ("--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", self._mutual)
            yield from (
                "--tls-cert-file",
                str(self.tls.server.cert),
                "--tls-key-file",
                str(self.tls.server.key),
            )
            yield from ("--tls-ca-cert-file", str(self.tls.ca))
        else:
            yield from ("--port", str(self.port))
        if self._acl:
            yield from ("--aclfile", "users.acl")
        yield from self._args

    def _answers(self):
        """Ours, and no other that took the port, answers."""
        import redis

        try:
            return self.client().info("server")["process_id"] == self.pid
        except redis.RedisError:
            return False

    @property
    def pid(self):
        return self._process.pid

    @property
    def alive(self):
        return self._process.alive

    @property
    def socket(self):
        return self.directory / "s"

    @property
    def address(self):
        return f"{HOST}:{self.port}"

    @property
    def url(self):
        return self.url_as()

    def url_as(self, user="", password=""):
        """Return the URL with a user and password in it."""
        who = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
        if self.port is None:
            return f"unix://{who}{self.socket}"
        return f"{'rediss' if self.tls else 'redis'}://{who}{self.address}"

    def client(self, **options):
        """Return a synchronous client that looks on from outside; closed when the server is stopped."""
        if not options and self._own:
            return self._own
        made = _client(self, options)
        self._clients.append(made)
        if not options:
            self._own = made
        return made

    def kill(self):
        """End it at once; what it held is gone."""
        self._process.kill()

    def restart(self):
        """Start it again, or anew: empty, at the same port and in the same directory."""
        self.kill()
        self.launch()

    def pause(self):
        """SIGSTOP: connections stay open and nothing answers."""
        self.paused = True
        self._process.pause()

    def resume(self):
        """SIGCONT: what waited is answered now."""
        self._process.resume()
        self.paused = False

    def log(self):
        return self._process.log()

    def stop(self):
        """End it and remove its directory."""
        for client in self._clients:
            client.close()
        self._process.remove()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stop()


def _client(server, options):
    import redis
    from redis.backoff import NoBackoff
    from redis.maint_notifications import MaintNotificationsConfig
    from redis.retry import Retry

    place = {"host": HOST, "port": server.port} if server.port else {"unix_socket_path": str(server.socket)}
    if server.tls:
        own = server.tls.client
        place |= {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False}
        place |= {"ssl_certfile": str(own.cert), "ssl_keyfile": str(own.key)}
    if server._acl:
        place |= {"username": OUTSIDE[0], "password": OUTSIDE[1]}
    calm = {"socket_timeout": 10, "retry": Retry(NoBackoff(), 1), "driver_info": None}
    if server.port:
        calm["maint_notifications_config"] = MaintNotificationsConfig(enabled=False)
    return redis.Redis(**(place | calm | options))


@contextlib.contextmanager
def stopped_on_failure(started):
    """Stop what has been started when the rest cannot be."""
    try:
        yield
    except BaseException:
        started.stop()
        raise
