"""A service goes down and comes back: what callers of a cached function see of it.

A small HTTP server on the loopback gives summaries of Python's own help texts. ``summary_of`` asks it, with
``stale``, ``stale_if_error`` and ``errors``. The server is really stopped and really started again; only the
clock of the cache is turned by hand, so that hours pass in no time.

Run it with ``python examples/outage.py``.
"""

import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from askonce import InMemoryCache, cached
from askonce.testing import ManualClock, settle_blocking
from documents import load_documents
from textwork import summarize

clock = ManualClock()
cache = InMemoryCache(clock=clock)


class Summaries(BaseHTTPRequestHandler):
    """``GET /<topic>``: a summary as JSON, 404 for an unknown topic."""

    documents = {document.name: document for document in load_documents()}

    def do_GET(self) -> None:
        """Answer one request."""
        document = self.documents.get(self.path.strip("/"))
        summary = " ".join(summarize(document.text, 1)) if document else ""
        body = json.dumps({"summary": summary}).encode()
        self.send_response(200 if document else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as in the base class
        """Say nothing of it on stderr."""


class Service:
    """The server, which can be stopped and started on one port."""

    def __init__(self) -> None:
        self.requests = 0
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Summaries)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


service = Service()


@cached(cache=cache, ttl="5m", stale="1h", stale_if_error="1d", errors={LookupError: "30s"})
def summary_of(topic: str) -> str:
    """The summary of a topic, asked from the service."""
    service.requests += 1
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/{topic}", timeout=5) as response:
            return str(json.load(response)["summary"])
    except urllib.error.HTTPError as error:
        with error:
            raise LookupError(f"no topic {topic!r}") from None


def ask(when: str, topic: str = "try") -> None:
    """Ask once, and tell what came of it and what it cost."""
    before, figures = service.requests, summary_of.cache_info()
    try:
        answer = f"{summary_of(topic)[:32]}..."
    except (LookupError, OSError) as error:
        answer = f"{type(error).__name__}"
    settle_blocking()  # let what runs behind the caller end, so that the next line does not depend on it
    after = summary_of.cache_info()
    how = "stale" if after.stale > figures.stale else "fresh" if after.hits > figures.hits else "asked"
    print(f"{when:<34} {how:<6} {service.requests - before} request(s)  {answer}")


def main() -> None:
    """One day in the life of an answer."""
    service.start()
    ask("09:00 first call")
    ask("09:00 second call")
    clock.advance("10m")
    ask("09:10 past its time: served, and")
    ask("09:10 refreshed behind the caller")

    service.stop()
    clock.advance("10m")
    ask("09:20 the service is down")
    ask("09:20 nobody hammers it")
    clock.advance("3h")
    ask("12:20 asked in vain: it stands in")
    ask("12:20 and nobody asks for 5 s")

    service.start()
    clock.advance("5s")
    ask("12:20 it is back")
    ask("12:20 and all is as before")
    ask("12:20 an unknown topic", "nonsense")
    ask("12:20 is remembered for a while", "nonsense")
    service.stop()
    print(summary_of.cache_info())


if __name__ == "__main__":
    main()
