"""What memory promises, Redis keeps too, wherever it runs and however small its memory is."""

import pytest

from askonce.backends.redis.cache import GenericRedisCache
from askonce.security import SecurityConfig, generate_key
from askonce.testing import CacheContract


class RedisContract(CacheContract):
    clock_is_real = True
    options = {}

    def make_cache(self, clock):
        return GenericRedisCache(self.url, namespace=self.namespace, **self.options)


class TestStandalone(RedisContract):
    @pytest.fixture(autouse=True)
    def _server(self, redis_server, namespace):
        self.url, self.namespace = redis_server.url, namespace


class TestWithHardlyAnyMemory(TestStandalone):
    """Nearly every answer comes from Redis."""

    options = {"memory_cache_size": 1, "l1_ttl": 0.001}


class TestEncrypted(TestStandalone):
    options = {"security_config": SecurityConfig(encryption_keys=generate_key()), "memory_cache_size": 1}


class TestWithNewsOfTheWriters(TestStandalone):
    options = {"feed": "pubsub"}


class TestUnixSocket(RedisContract):
    @pytest.fixture(autouse=True)
    def _server(self, unix_server, namespace):
        self.url, self.namespace = unix_server.url, namespace


class TestCluster(RedisContract):
    @pytest.fixture(autouse=True)
    def _server(self, redis_cluster, namespace):
        self.url, self.namespace = redis_cluster.url, namespace


class TestClusterWithHardlyAnyMemory(TestCluster):
    options = {"memory_cache_size": 1, "l1_ttl": 0.001}


class TestClusterThatTracks(TestCluster):
    options = {"feed": "tracking"}


class TestSentinel(RedisContract):
    @pytest.fixture(autouse=True)
    def _server(self, redis_sentinel, namespace):
        self.url, self.namespace = redis_sentinel.url, namespace


@pytest.fixture(scope="module")
def unix_server():
    from servers import Server

    with Server.start(unix=True) as server:
        yield server
