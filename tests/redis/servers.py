"""Real servers, for tests, benchmarks and examples alike: what there is to start."""

from clusters import Cluster
from processes import NoServer, has_tls, server_binary
from sentinels import SentinelSetup
from standalone import Server

__all__ = ["Cluster", "NoServer", "SentinelSetup", "Server", "has_tls", "server_binary"]
