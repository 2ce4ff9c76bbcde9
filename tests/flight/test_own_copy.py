"""Each caller that waited raises an exception of its own, the same in all that can be seen."""

import dataclasses
import errno
import gc
import inspect
import subprocess
import traceback
import weakref

import pydantic
import pytest

from askonce.flight import bare, own_copy, own_kept


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


def test_the_constructor_is_not_run_again_to_copy_what_is_hard_to_copy():
    """The class in C wants other arguments than are left: it is shared, and by nobody's means made anew."""
    made = []

    class Charged(UnicodeDecodeError):
        def __init__(self, reason):
            super().__init__("utf-8", b"x", 0, 1, reason)
            self.args = (reason,)
            made.append(self)

    error = Charged("charged")
    assert own_copy(error, None) is error
    assert bare(error) is None
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


def invalid():
    """What pydantic raises: a class that cannot be made without its data, and says how else."""

    class Model(pydantic.BaseModel):
        number: int

    with pytest.raises(pydantic.ValidationError) as caught:
        Model(number="x")
    return caught.value


def test_what_says_how_it_is_pickled_is_copied_like_that():
    """Cause, notes and attributes of the caller's own come along."""
    error = invalid()
    error.__cause__ = KeyError("cause")
    error.add_note("from the function")
    copy = own_copy(error, error.__traceback__)

    assert copy is not error
    assert type(copy) is type(error)
    assert copy.errors() == error.errors()
    assert (copy.__cause__, copy.__notes__) == (error.__cause__, ["from the function"])
    assert copy.__traceback__ is error.__traceback__


class Stuck(Exception):
    """Cannot be copied."""

    def __new__(cls, *, first=False):
        if not first:
            raise NotImplementedError
        return super().__new__(cls)

    def __init__(self, *, first):
        super().__init__()


class Selfish(Stuck):
    """Is its own copy."""

    def __reduce__(self):
        return "the only one"


class Strange(Stuck):
    """Its copies are something else."""

    def __reduce__(self):
        return ValueError, ()


@pytest.mark.parametrize("cls", [Stuck, Selfish, Strange])
def test_what_cannot_be_copied_is_shared(cls):
    """It is raised as it is, and each time its traceback begins where it did."""
    error = raised(cls(first=True))
    begin = error.__traceback__

    assert own_copy(error, begin) is error
    assert raised(own_copy(error, begin)) is error
    assert len(traceback.extract_tb(own_copy(error, begin).__traceback__)) == len(traceback.extract_tb(begin))


# --- copies to keep


class Local:
    """Something large that a function has while it runs."""


def failing(make):
    """Fails while it has a ``Local``: the exception, and a reference to the local."""
    local = Local()
    reference = weakref.ref(local)
    try:
        make(local) if inspect.signature(make).parameters else make()
    except Exception as error:
        return error, reference
    raise AssertionError


def chained(error, cause):
    """Raises an error in the handling of another, which is its cause."""
    try:
        raise cause
    except Exception as caught:
        raise error from caught


def in_context():
    try:
        raise KeyError("context")
    except KeyError:
        raise ValueError("no")  # noqa: B904


def many(depth):
    """An exception with so many causes, one below the other."""
    error = raised(ValueError(0))
    for number in range(1, depth):
        above = ValueError(number)
        above.__cause__ = error
        error = raised(above)
    raise error


def of_two():
    raise ExceptionGroup("two", [raised(ValueError(1)), ExceptionGroup("one", [raised(invalid())])])


FAILURES = {
    "alone": lambda: raised(1 / 0),
    "with a cause": lambda: chained(ValueError("no"), KeyError("cause")),
    "in a context": in_context,
    "with many causes": lambda: many(20),
    "with a cause that cannot be copied": lambda: chained(ValueError("no"), Stuck(first=True)),
    "pydantic's": lambda: chained(invalid(), KeyError("cause")),
    "a group": of_two,
    "with a group as cause": lambda: chained(ValueError("no"), ExceptionGroup("one", [raised(KeyError(1))])),
}


@pytest.mark.parametrize("make", FAILURES.values(), ids=FAILURES)
def test_a_copy_to_keep_holds_on_to_nothing(make):
    """Nor do its causes and members: what the function had in its hands is free, whatever is kept."""
    error, local = failing(make)
    copy = bare(error)
    assert copy is not None
    assert (type(copy), str(copy)) == (type(error), str(error))
    del error
    gc.collect()

    assert local() is None
    assert copy.__traceback__ is None


def test_a_copy_to_keep_leaves_the_original_alone():
    """It is raised to the caller, who wants to see where it came from, and what led to it."""
    for make in FAILURES.values():
        error, _ = failing(make)
        before = error.__traceback__, error.__cause__, error.__context__, error.args
        causes = error.__cause__ and error.__cause__.__traceback__
        bare(error)
        assert (error.__traceback__, error.__cause__, error.__context__, error.args) == before
        assert (error.__cause__ and error.__cause__.__traceback__) is causes


def test_a_copy_to_keep_knows_its_causes():
    error, _ = failing(lambda: chained(ValueError("no"), Named("a.txt")))
    copy = bare(error)

    assert (type(copy.__cause__), copy.__cause__.filename) == (Named, "a.txt")
    assert copy.__cause__ is not error.__cause__
    assert copy.__context__ is None
    assert copy.__suppress_context__ is True


def test_a_copy_to_keep_knows_whether_its_context_was_hidden():
    for make, hidden in ((in_context, False), (lambda: chained(ValueError("no"), KeyError("c")), True)):
        assert bare(failing(make)[0]).__suppress_context__ is hidden


def test_of_many_causes_the_nearest_are_kept():
    copy, _ = failing(lambda: many(20))
    numbers = []
    copy = bare(copy)
    while copy is not None:
        numbers.append(copy.args[0])
        copy = copy.__cause__
    assert numbers == list(range(19, 10, -1))


def test_causes_in_a_circle_end():
    first, second = ValueError(1), ValueError(2)
    first.__cause__, second.__cause__ = second, first
    assert bare(first).args == (1,)


def test_a_group_to_keep_has_members_of_its_own():
    group, _ = failing(of_two)
    group.add_note("of the group")
    copy = bare(group)

    assert [type(member) for member in copy.exceptions] == [ValueError, ExceptionGroup]
    assert not {id(member) for member in copy.exceptions} & {id(member) for member in group.exceptions}
    assert copy.exceptions[1].exceptions[0].errors() == group.exceptions[1].exceptions[0].errors()
    assert (copy.message, copy.__notes__) == ("two", ["of the group"])
    assert copy.args == ("two", list(copy.exceptions))


@pytest.mark.parametrize("cls", [Stuck, Selfish, Strange])
def test_what_cannot_be_copied_is_not_kept(cls):
    """It would keep alive what it passed, and threads would raise one object."""
    assert bare(cls(first=True)) is None
    assert bare(ExceptionGroup("one", [KeyError(1), cls(first=True)])) is None


def test_a_group_that_is_too_deep_is_not_kept():
    error = ValueError(1)
    for _ in range(20):
        error = ExceptionGroup("one", [error])
    assert bare(error) is None


class Failed(Exception):
    """Keeps what led to it, as drivers and mappers do."""

    def __init__(self, text, **state):
        super().__init__(text)
        vars(self).update(state)


def keeping(local, **state):
    """Raises an error that keeps the one that it was raised for: in its state, and by name."""
    try:
        in_hand = local  # what the function has when it fails  # noqa: F841
        raise KeyError("original")
    except KeyError as caught:
        raise Failed("no", orig=caught, **{name: make(caught) for name, make in state.items()}) from None


KEPT = {
    "as itself": lambda error: error,
    "in a list": lambda error: [1, [error]],
    "in a dict": lambda error: {"error": (error, error)},
    "in a set": lambda error: {error},
    "as what is pickled": lambda error: (type(error), error, error.__traceback__),
    "as its frame": lambda error: error.__traceback__.tb_frame.f_back,
}


@pytest.mark.parametrize("make", KEPT.values(), ids=KEPT)
def test_what_is_kept_of_an_error_in_the_state_holds_on_to_nothing(make):
    error, local = failing(lambda local: keeping(local, state=make))
    copy = bare(error)
    assert type(copy.orig) is KeyError
    assert copy.orig is not error.orig
    assert copy.state is None or type(copy.state) is type(error.state)
    del error
    gc.collect()
    assert local() is None


def test_what_is_kept_of_an_error_in_the_arguments_holds_on_to_nothing():
    def wrapped(_local):
        try:
            raise KeyError("original")
        except KeyError as caught:
            raise ValueError("no", caught, [caught]) from caught

    error, local = failing(wrapped)
    copy = bare(error)
    del error
    gc.collect()
    assert local() is None
    assert copy.args[1] is copy.args[2][0] is copy.__cause__
    assert copy.args[1].args == ("original",)


def test_the_state_of_what_is_kept_belongs_to_nobody_else():
    """Neither the caller that got the original changes it, nor any that raises what is kept."""
    error = Failed(["text"], tries=[1], by={"a": [1]}, orig=Failed("inner", tries=[2]))
    error.add_note("from the function")
    kept = bare(error)
    for other in (error, own_kept(kept), own_kept(kept)):
        assert (other.args, other.tries, other.by, other.orig.tries) == ((["text"],), [1], {"a": [1]}, [2])
        assert other.__notes__ == ["from the function"]
        other.args[0].clear(), other.tries.clear(), other.by["a"].clear(), other.orig.tries.clear()
        other.add_note("another")
    assert (kept.args, kept.tries, kept.by, kept.orig.tries) == ((["text"],), [1], {"a": [1]}, [2])
    assert kept.__notes__ == ["from the function"]


def test_state_in_slots_belongs_to_nobody_else():
    error = Slotted([4])
    kept = bare(error)
    error.code.append(5)
    own_kept(kept).code.append(6)
    assert kept.code == [4]


def test_callers_share_no_causes_of_what_is_kept():
    """One may raise the cause itself, and its frames are no matter of the others."""
    kept = bare(failing(lambda: chained(Failed("no"), KeyError("cause")))[0])
    first, second = own_kept(kept), own_kept(kept)
    assert raised(first.__cause__).__traceback__ is not None
    assert kept.__cause__.__traceback__ is second.__cause__.__traceback__ is None
    assert (second.__cause__.args, second.__suppress_context__) == (("cause",), True)


def test_an_error_that_refers_to_itself_is_kept():
    error = Failed("no", parts=[])
    error.me = error.__cause__ = error
    error.parts += [error, error.parts]
    copy = bare(error)
    assert copy is not error
    assert copy is copy.me is copy.__cause__ is copy.parts[0]


@pytest.mark.parametrize("cls", [Stuck, Selfish, Strange])
def test_what_has_something_in_its_state_that_cannot_be_copied_is_not_kept(cls):
    assert bare(Failed("no", orig=cls(first=True))) is None
    assert bare(Failed("no", errors=[cls(first=True)])) is None
    assert bare(ValueError("no", cls(first=True))) is None


def test_what_is_its_own_argument_is_not_kept():
    error = Failed("no", tries=[1])
    error.args = (error,)
    assert bare(error) is None
    assert type(own_kept(error)) is Failed
