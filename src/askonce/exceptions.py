"""What can go wrong.

A miss is never an exception, and the exceptions of a cached function pass unchanged. The rest:

CacheError
  ConfigurationError(ValueError)      an option or setting that cannot work
  KeyBuildError(TypeError)            an argument that has no key
  CodecError                          a value that cannot be encoded or rebuilt
  BackendError                        a backend that failed, where the caller asked to be told
    BackendTimeout(TimeoutError)      ... because it did not answer in time
  NotCachedError                      nothing cached where only cached answers were wanted
"""


class CacheError(Exception):
    """The root of everything that askonce raises."""


class ConfigurationError(CacheError, ValueError):
    """An option or a setting that cannot work; the message names it and the way out."""


class KeyBuildError(CacheError, TypeError):
    """An argument that cannot take part in a key; the message names the parameter and the ways out."""


class CodecError(CacheError):
    """A value that cannot be encoded for a backend or rebuilt from it."""


class BackendError(CacheError):
    """A backend that failed. Raised only with ``raise_errors=True``."""


class BackendTimeout(BackendError, TimeoutError):
    """A backend that did not answer before its deadline. Raised only with ``raise_errors=True``."""


class NotCachedError(CacheError):
    """Nothing is cached where only a cached answer was wanted."""
