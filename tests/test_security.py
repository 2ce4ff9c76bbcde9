"""Settings of a safe connection: what contradicts itself is refused, what is secret shows nowhere."""

import copy
import dataclasses
import importlib.util
import logging
import pickle
import ssl
import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from askonce.exceptions import ConfigurationError
from askonce.security import Secret, SecurityConfig, generate_key

_spec = importlib.util.spec_from_file_location(
    "certificates", Path(__file__).parent / "redis" / "certificates.py"
)
certificates = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(certificates)

HIDDEN = "hunter2-do-not-show"
KEY = "A" * 42 + "8="
RAW = bytes(range(32))


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    return certificates.Certificates.make(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Of an authority that nobody here trusts."""
    return certificates.Certificates.make(tmp_path_factory.mktemp("others"))


def shake_hands(config, certs, host="localhost", *, asks_back=False, newest=None):
    """Client and server in memory; the common name of the client's certificate, if the server asked."""
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(certs.server.cert, certs.server.key)
    if newest is not None:
        listening.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        listening.maximum_version = newest
    if asks_back:
        listening.load_verify_locations(certs.ca)
        listening.verify_mode = ssl.CERT_REQUIRED
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = config.ssl_context().wrap_bio(back, there, server_hostname=host)
    server = listening.wrap_bio(there, back, server_side=True)
    waiting = [client, server]
    while waiting:
        for side in tuple(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    return dict(field[0] for field in (server.getpeercert() or {}).get("subject", ())).get("commonName")


def test_the_example_of_the_readme_constructs():
    """Its file is looked at when a connection is made."""
    config = SecurityConfig(
        use_tls=True, username="cache_user", password="secure_password", cert_file="/path/to/cert.pem"
    )

    assert config.uses_tls(url_says_so=True)
    assert config.login() == ("cache_user", "secure_password")
    with pytest.raises(
        ConfigurationError, match=r"cert_file='/path/to/cert\.pem' cannot be read: No such file"
    ):
        config.ssl_context()


def test_nothing_said_is_a_plain_connection_of_the_default_user():
    config = SecurityConfig()

    assert config.login() == (None, None)
    assert config.keys() == {}
    assert not config.uses_tls(url_says_so=False)


@pytest.mark.parametrize(
    ("use_tls", "url", "expected"),
    [
        (None, True, True),
        (None, False, False),
        (True, False, True),
        (True, True, True),
        (False, False, False),
    ],
)
def test_tls_is_used_where_the_url_or_the_setting_says_so(use_tls, url, expected):
    assert SecurityConfig(use_tls=use_tls).uses_tls(url) is expected


def test_a_url_with_tls_and_a_setting_without_contradict_each_other():
    """Neither choice would be what was asked for."""
    with pytest.raises(ConfigurationError, match="use_tls=False forbids it"):
        SecurityConfig(use_tls=False).uses_tls(url_says_so=True)


def test_tls_settings_are_not_ignored_for_a_plain_url():
    """Who names a CA expects a connection that it vouches for."""
    with pytest.raises(
        ConfigurationError, match="without TLS ca_file would have no effect; say rediss:// or"
    ):
        SecurityConfig(ca_file="ca.pem").uses_tls(url_says_so=False)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"use_tls": False, "cert_file": "c.pem"}, "use_tls=False leaves cert_file without effect"),
        ({"use_tls": False, "ca_file": "c.pem", "verify": "chain"}, "leaves ca_file, verify without effect"),
        ({"use_tls": False, "verify": False}, "leaves verify without effect"),
        ({"key_file": "k.pem"}, "key_file belongs to a certificate; name that by cert_file="),
        ({"key_password": HIDDEN}, "key_password belongs to a certificate"),
        ({"verify": False, "ca_file": "c.pem"}, "verify=False leaves ca_file without effect"),
        ({"verify": "ca.pem"}, "a CA of your own is named by ca_file="),
        ({"verify": None}, "verify is True"),
        ({"use_tls": "yes"}, "use_tls is True, False, or None"),
        ({"username": ""}, "username is a text; leave it out"),
        ({"password": ""}, "password is a text that is not empty"),
        ({"password": 5}, "password is a text"),
        ({"cert_file": ""}, "cert_file is the path of a file"),
        ({"ca_file": 5}, "ca_file is the path of a file"),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(settings, problem):
    with pytest.raises(ConfigurationError, match=problem) as refused:
        SecurityConfig(**settings)
    assert HIDDEN not in str(refused.value)


def test_no_secret_shows():
    """In no form in which settings end up in logs, reports and queues."""
    config = SecurityConfig(
        password=HIDDEN,
        cert_file="c.pem",
        key_password=HIDDEN + "2",
        encryption_keys={"now": KEY, "then": RAW},
    )
    shown = f"{config!r} {config} {dataclasses.asdict(config)} {vars(config)} {dataclasses.astuple(config)}"

    assert "***" in shown
    for secret in (HIDDEN, KEY, repr(RAW)[2:-1], repr(config.keys()["now"])[2:-1]):
        assert secret not in shown
    with pytest.raises(TypeError, match="is not pickled"):
        pickle.dumps(config)


@pytest.mark.parametrize(
    "keys",
    [
        [HIDDEN],
        {"now": HIDDEN},
        ["größer" * 8],
        {KEY: "now"},
        {KEY[:-1]: "now"},
        {RAW: "now"},
        (HIDDEN, KEY),
        5,
        [5],
    ],
)
def test_a_key_that_is_none_is_refused_and_not_shown(keys):
    """Nor one that stands where its id should."""
    with pytest.raises(ConfigurationError, match="encryption_keys") as refused:
        SecurityConfig(encryption_keys=keys)
    shown = "".join(traceback.format_exception_only(refused.value))
    assert HIDDEN not in shown
    assert KEY[:-1] not in shown
    assert str(RAW) not in shown


@pytest.mark.parametrize("given", [HIDDEN, Secret(HIDDEN), SecretStr(HIDDEN)])
def test_a_password_may_be_given_hidden(given):
    assert SecurityConfig(password=given).login() == (None, HIDDEN)


def test_a_secret_equals_the_same_one_only():
    assert Secret("text") == Secret("text") == copy.copy(Secret("text"))
    assert Secret("text") != Secret(b"text")
    assert Secret("text") != "text"
    assert len({Secret("text"), Secret("text"), Secret("other")}) == 2
    assert str(Secret(HIDDEN)) == f"{Secret(HIDDEN)}" == "***"


def test_configs_can_be_compared_copied_and_changed():
    """They are values, also after they were used."""
    config = SecurityConfig(password=HIDDEN, encryption_keys=[KEY])
    config.ssl_context()

    assert config == SecurityConfig(password=HIDDEN, encryption_keys=[KEY])
    assert hash(config) == hash(copy.deepcopy(config))
    assert copy.copy(config) == copy.deepcopy(config) == config
    assert config != SecurityConfig(password="another", encryption_keys=[KEY])
    changed = dataclasses.replace(config, username="me")
    assert (changed.login(), changed.keys()) == (("me", HIDDEN), config.keys())
    assert pickle.loads(pickle.dumps(SecurityConfig(username="me"))) == SecurityConfig(username="me")


@pytest.mark.parametrize(
    "given",
    [
        {"now": RAW},
        {"now": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
        {"now": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"},
        {"now": b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"},
        {"now": SecretStr("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")},
        {"now": Secret(RAW)},
        [("now", RAW)],
    ],
)
def test_a_key_may_be_bytes_or_text(given):
    assert SecurityConfig(encryption_keys=given).keys() == {"now": RAW}


def test_plain_and_url_safe_base64_are_the_same_key():
    plain, url_safe = "+/+/" * 8, "-_-_" * 8

    assert SecurityConfig(encryption_keys=plain).keys() == SecurityConfig(encryption_keys=url_safe).keys()


def test_keys_without_ids_are_told_apart_in_any_order():
    """So that a key may be put in front of another, and both still be found."""
    first, second = generate_key(), generate_key()
    before = SecurityConfig(encryption_keys=first).keys()
    after = SecurityConfig(encryption_keys=[second, first]).keys()

    assert len(after) == 2
    assert before.items() < after.items()
    assert next(iter(after)) not in before


def test_one_id_for_two_keys_is_refused():
    with pytest.raises(ConfigurationError, match="twice"):
        SecurityConfig(encryption_keys=[("now", RAW), ("now", KEY)])


def test_a_generated_key_is_new_and_fits():
    assert len({generate_key() for _ in range(100)}) == 100
    assert [len(key) for key in SecurityConfig(encryption_keys=generate_key()).keys().values()] == [32]


def test_a_server_of_an_own_ca_is_believed(certs):
    shake_hands(SecurityConfig(ca_file=certs.ca), certs)
    shake_hands(SecurityConfig(ca_file=str(certs.ca)), certs, host="127.0.0.1")


def test_a_server_of_another_ca_is_not_believed(certs, others):
    """Nor one whose CA the system does not know."""
    for config in (
        SecurityConfig(ca_file=others.ca),
        SecurityConfig(ca_file=others.ca, verify="chain"),
        SecurityConfig(),
    ):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(config, certs)


def test_a_server_of_another_name_is_not_believed_unless_only_the_chain_counts(certs):
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(SecurityConfig(ca_file=certs.ca), certs, host="elsewhere.example")
    shake_hands(SecurityConfig(ca_file=certs.ca, verify="chain"), certs, host="elsewhere.example")


def test_a_certificate_that_is_out_of_date_is_not_believed(tmp_path):
    old = certificates.Certificates.make(tmp_path, expired=True)

    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake_hands(SecurityConfig(ca_file=old.ca), old)


def test_without_verification_anybody_is_believed_and_the_log_says_so_once(certs, caplog):
    config = SecurityConfig(verify=False)
    with caplog.at_level(logging.WARNING, "askonce"):
        shake_hands(config, certs, host="elsewhere.example")
        shake_hands(config, certs)

    assert [record.getMessage() for record in caplog.records] == ["tls_not_verified"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_protocol_is_refused(certs):
    with pytest.raises(ssl.SSLError):
        shake_hands(SecurityConfig(ca_file=certs.ca), certs, newest=ssl.TLSVersion.TLSv1_1)
    shake_hands(SecurityConfig(ca_file=certs.ca), certs, newest=ssl.TLSVersion.TLSv1_2)
    # Most systems refuse the old ones by themselves.
    assert SecurityConfig(ca_file=certs.ca).ssl_context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_server_that_asks_gets_the_clients_certificate(certs):
    mutual = {"ca_file": certs.ca, "cert_file": certs.client.cert}

    plain = SecurityConfig(**mutual, key_file=certs.client.key)
    locked = SecurityConfig(
        **mutual, key_file=certs.client.locked_key, key_password=certificates.KEY_PASSWORD
    )

    assert shake_hands(plain, certs, asks_back=True) == "client"
    assert shake_hands(locked, certs, asks_back=True) == "client"


def test_a_certificate_may_have_its_key_in_the_same_file(certs, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(certs.client.cert.read_bytes() + certs.client.key.read_bytes())

    assert shake_hands(SecurityConfig(ca_file=certs.ca, cert_file=both), certs, asks_back=True) == "client"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"ca_file": "missing"}, "ca_file='.*missing' cannot be read: No such file"),
        ({"ca_file": "."}, "ca_file='.*' cannot be read: Is a directory"),
        ({"ca_file": "junk"}, "ca_file='.*junk' holds no certificates in PEM form"),
        ({"ca_file": "empty"}, "ca_file='.*empty' holds no certificates in PEM form"),
        ({"cert_file": "missing"}, "cert_file='.*missing' cannot be read"),
        ({"cert_file": "junk"}, "cert_file='.*junk' is not a certificate with its key"),
        ({"cert_file": "client.crt"}, "cert_file='.*client.crt' is not a certificate with its key"),
        ({"cert_file": "client.crt", "key_file": "missing"}, "key_file='.*missing' cannot be read"),
        (
            {"cert_file": "client.crt", "key_file": "server.key"},
            "with key_file='.*server.key' is not a certificate",
        ),
        (
            {"cert_file": "client.crt", "key_file": "client.locked.key"},
            "key is encrypted; give its key_password",
        ),
        (
            {"cert_file": "client.crt", "key_file": "client.locked.key", "key_password": HIDDEN},
            "is not a certificate with its key",
        ),
        (
            {"cert_file": "client.crt", "key_file": "client.locked.key", "key_password": HIDDEN * 100},
            "key_password is too long",
        ),
    ],
)
def test_a_file_that_does_not_do_is_named(certs, tmp_path, files, problem):
    (tmp_path / "junk").write_text("no certificate")
    (tmp_path / "empty").write_text("")
    for made in certs.ca.parent.iterdir():
        (tmp_path / made.name).write_bytes(made.read_bytes())
    places = {name: tmp_path / file if name.endswith("_file") else file for name, file in files.items()}

    with pytest.raises(ConfigurationError, match=problem) as refused:
        SecurityConfig(**places).ssl_context()
    assert HIDDEN not in "".join(traceback.format_exception(refused.value))


def test_the_context_is_made_once(certs):
    """Making one blocks an event loop for milliseconds; connections share it."""
    config = SecurityConfig(ca_file=certs.ca)

    assert config.ssl_context() is config.ssl_context()
