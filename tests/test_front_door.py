"""The names that users import."""

import askonce


def test_names_are_sorted_and_there():
    """The front door is one sorted list, and every name in it exists."""
    assert askonce.__all__ == sorted(askonce.__all__, key=lambda name: (not name.isupper(), name))
    assert all(hasattr(askonce, name) for name in askonce.__all__)


def test_errors_inherit_the_standard_type_of_their_meaning():
    """Code that knows nothing of askonce catches its errors as what they are."""
    assert issubclass(askonce.ConfigurationError, ValueError)
    assert issubclass(askonce.KeyBuildError, TypeError)
    assert issubclass(askonce.BackendTimeout, TimeoutError)
    for name in ("BackendError", "CodecError", "ConfigurationError", "KeyBuildError", "NotCachedError"):
        assert issubclass(getattr(askonce, name), askonce.CacheError)
