"""The secret comes from the environment, once, and shows nowhere."""

import threading

import pytest

from askonce.exceptions import ConfigurationError
from askonce.keys import Encoder, default_encoder, reset_default_encoder


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.delenv("CACHE_KEY_SECRET", raising=False)
    monkeypatch.delenv("CACHE_KEY_SECRET_FILE", raising=False)
    reset_default_encoder()
    yield
    reset_default_encoder()


def digest(secret):
    return Encoder(secret).digest(b"payload")


def test_without_a_secret_digests_are_plain():
    """Nothing to configure, nothing required."""
    assert default_encoder().digest(b"payload") == digest(None)
    assert not default_encoder().keyed


def test_the_secret_keys_the_digests(monkeypatch):
    """Every process that has the same secret makes the same keys."""
    monkeypatch.setenv("CACHE_KEY_SECRET", "grün")

    assert default_encoder().digest(b"payload") == digest("grün".encode())
    assert default_encoder().keyed


@pytest.mark.parametrize("content", [b"secret", b"secret\n", b"secret\r\n"])
def test_the_secret_may_be_in_a_file(monkeypatch, tmp_path, content):
    """As orchestrators mount it; the newline of an editor is no part of it."""
    (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("CACHE_KEY_SECRET_FILE", str(tmp_path / "secret"))

    assert default_encoder().digest(b"payload") == digest(b"secret")


def test_the_variable_wins_over_the_file(monkeypatch, tmp_path):
    """And an empty one is as good as none."""
    (tmp_path / "secret").write_bytes(b"from file")
    monkeypatch.setenv("CACHE_KEY_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("CACHE_KEY_SECRET", "direct")
    assert default_encoder().digest(b"payload") == digest(b"direct")

    reset_default_encoder()
    monkeypatch.setenv("CACHE_KEY_SECRET", "")
    assert default_encoder().digest(b"payload") == digest(b"from file")


def test_a_missing_file_is_an_error_that_names_it(monkeypatch, tmp_path):
    """Keys made without the secret that was asked for would be weak ones."""
    monkeypatch.setenv("CACHE_KEY_SECRET_FILE", str(tmp_path / "missing"))

    with pytest.raises(
        ConfigurationError, match=r"CACHE_KEY_SECRET_FILE: .*missing cannot be read: No such file"
    ):
        default_encoder()


def test_the_environment_is_read_once(monkeypatch):
    """Keys do not change while a process runs, whoever sets variables."""
    encoder = default_encoder()
    monkeypatch.setenv("CACHE_KEY_SECRET", "late")

    assert default_encoder() is encoder


def test_threads_that_ask_at_once_get_one_encoder():
    """The first call may come from anywhere."""
    start, found = threading.Barrier(8), []

    def ask():
        start.wait()
        found.append(default_encoder())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, found))) == 1
