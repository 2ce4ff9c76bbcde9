"""Each caller that waited raises an exception of its own, the same in all that can be seen."""

import dataclasses
import errno
import subprocess
import traceback

import pydantic
import pytest

from askonce.flight import own_copy


class Quota(Exception):
    """Takes other arguments than it keeps."""

    def __init__(self, user, *, limit):
        super().__init__(f"{user} reached {limit}")
        self.user = user
        self.limit = limit


class Slotted(Exception):
    __slots__ = ("__hidden", "code", "unset")

    def __init__(self, code):
        super().__init__()
        self.code = code
        self.__hidden = code * 2

    @property
    def hidden(self):
        return self.__hidden


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class Named(OSError):
    """State in C and in Python."""

    def __init__(self, path):
        super().__init__(errno.EACCES, "keep out", path)
        self.hint = "ask"


def raised(error):
    """The error, as a function raised it."""
    try:
        raise error
    except BaseException as caught:
        return caught


def copy_of(error):
    return own_copy(raised(error), error.__traceback__)


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (ValueError("no", 3), ("args",)),
        (KeyError("k"), ("args",)),
        (Quota("ann", limit=3), ("args", "user", "limit")),
        (Frozen(7), ("args", "code")),
        (
            OSError(errno.ENOENT, "gone", "a.txt", None, "b.txt"),
            ("errno", "strerror", "filename", "filename2"),
        ),
        (OSError("no more than a text"), ("args", "errno", "filename")),
        (BlockingIOError(errno.EAGAIN, "later", 5), ("errno", "characters_written")),
        (Named("a.txt"), ("errno", "filename", "hint")),
        (ImportError("no", name="mod", path="a.py"), ("name", "path", "msg")),
        (AttributeError("no", name="x", obj=3), ("name", "obj")),
        (SyntaxError("bad", ("a.py", 3, 4, "x =")), ("filename", "lineno", "offset", "text")),
        (UnicodeDecodeError("utf-8", b"abc", 0, 1, "bad"), ("encoding", "object", "start", "end", "reason")),
        (subprocess.CalledProcessError(2, ["ls"], b"out"), ("returncode", "cmd", "output", "stderr")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_copy_shows_the_same_state(error, names):
    """An errno, a file name, the attributes of a class of one's own: every waiter can read them."""
    copy = copy_of(error)

    assert copy is not error
    assert type(copy) is type(error)
    assert {name: getattr(copy, name) for name in names} == {name: getattr(error, name) for name in names}
    assert str(copy) == str(error)


def test_a_copy_keeps_slots():
    """State without a ``__dict__`` is there, a private name too, and an unset slot stays unset."""
    copy = copy_of(Slotted(4))

    assert (copy.code, copy.hidden) == (4, 8)
    assert not hasattr(copy, "unset")


def test_a_group_keeps_its_members():
    """An ``ExceptionGroup`` has the same exceptions in it, and ``except*`` finds them."""
    inner = ValueError(1), KeyError(2)
    copy = copy_of(ExceptionGroup("two", inner))

    assert (copy.message, copy.exceptions) == ("two", inner)
    with pytest.raises(ExceptionGroup) as caught:
        try:
            raise copy
        except* ValueError:
            pass
    assert caught.value.exceptions == inner[1:]


def test_a_copy_keeps_what_led_to_it():
    """Cause, context and whether it is shown are the original's."""
    cause, context = KeyError("cause"), IndexError("context")
    error = ValueError("no")
    error.__context__ = context
    error.__cause__ = cause
    error.__suppress_context__ = False
    copy = copy_of(error)

    assert (copy.__cause__, copy.__context__, copy.__suppress_context__) == (cause, context, False)


def test_a_note_on_one_copy_is_on_no_other():
    """Notes are kept, and a caller that adds one does not write into those of the others."""
    error = ValueError("no")
    error.add_note("from the function")
    first, second = copy_of(error), copy_of(error)
    first.add_note("from the first caller")

    assert second.__notes__ == error.__notes__ == ["from the function"]


def test_the_constructor_is_not_run_again():
    """A class that counts, logs or charges in ``__init__`` does so once."""
    made = []

    class Charged(Exception):
        def __init__(self):
            super().__init__("charged")
            made.append(self)

    assert str(copy_of(Charged())) == "charged"
    assert len(made) == 1


def test_a_traceback_does_not_grow():
    """However many callers raise, each sees the frames of the function and its own, no others."""
    error = raised(ValueError("no"))
    begin = error.__traceback__
    depths = set()
    for _ in range(1000):
        copy = raised(own_copy(error, begin))
        depths.add(len(traceback.extract_tb(copy.__traceback__)))

    assert depths == {2}
    assert error.__traceback__ is begin


def test_what_cannot_be_copied_is_shared():
    """A class that cannot be made without its data, such as pydantic's, is raised as it is."""

    class Model(pydantic.BaseModel):
        number: int

    with pytest.raises(pydantic.ValidationError) as caught:
        Model(number="x")
    error = caught.value
    begin = error.__traceback__

    assert own_copy(error, begin) is error
    assert raised(own_copy(error, begin)).errors()[0]["loc"] == ("number",)
    assert len(traceback.extract_tb(own_copy(error, begin).__traceback__)) == len(traceback.extract_tb(begin))
