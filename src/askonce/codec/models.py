"""How models of pydantic are taken apart, and put together by their own validators."""

import sys
from typing import Any, cast

from askonce.codec.plans import Names, Plan, cached_names, listed
from askonce.codec.sameness import same


class ModelPlan(Plan):
    """Models of pydantic: the names of the given fields, the extras, the private attributes, the fields.

    A model is rebuilt by validating what it consisted of. It has to come out as it was: what its validators
    would change again is refused, since a hit must be what the miss was.
    """

    asks = True

    def __init__(self, cls: Any) -> None:
        super().__init__(cls)
        fields = model_fields(cls)
        self._names = tuple(fields)
        self._defaults = {name: field.default for name, field in fields.items()}
        self._is_root = bool(getattr(cls, "__pydantic_root_model__", False))
        self._private: frozenset[str] = frozenset(cls.__private_attributes__)
        self._cached = cached_names(cls)
        self._aliases, self._options = _spelling(cls, fields)

    def take(self, value: Any) -> tuple[Names, list[Any]]:
        """Everything that the model carries, but for what properties keep."""
        state: dict[str, Any] = value.__dict__
        if missing := [name for name in self._names if name not in state]:
            raise self.misfit(f"its field {missing[0]!r} was never set")
        if strange := state.keys() - self._names - self._cached:
            raise self.misfit(f"{listed(strange)} is no field of it")
        extra, given = value.__pydantic_extra__, value.__pydantic_fields_set__
        is_full = given == self._all(extra)
        parts = [None if is_full else sorted(given), extra, value.__pydantic_private__]
        return self._names, [*parts, *(state[name] for name in self._names)]

    def check(self, names: Names) -> None:
        """They are those of the class."""
        if names != self._names:
            raise self.misfit("its fields are others")

    def build(self, names: Names, parts: list[Any]) -> Any:
        """A model that its class accepts."""
        given, extra, private, *values = parts
        state = dict(zip(self._names, values, strict=True))
        everything = self._all(extra)
        given = everything if given is None else {*given}
        if not given <= everything:
            raise self.misfit("fields were given that it has not")
        new = self._validated(self._input(state, given, extra))
        self._compare(new, state, extra)
        if new.__pydantic_fields_set__ != given:
            object.__setattr__(new, "__pydantic_fields_set__", given)
        if private is not None:
            self._set_private(new, private)
        return new

    def _all(self, extra: dict[str, Any] | None) -> set[str]:
        return {*self._names, *extra} if extra else {*self._names}

    def _input(self, state: dict[str, Any], given: set[str], extra: dict[str, Any] | None) -> Any:
        if self._is_root:
            return state["root"]
        if len(given) < len(state):
            # Defaults need not pass validation, so they are left to the class.
            defaults = self._defaults
            state = {name: it for name, it in state.items() if name in given or not same(it, defaults[name])}
        if self._aliases:
            state = {self._aliases[name]: it for name, it in state.items()}
        return {**state, **extra} if extra else state

    def _validated(self, parts: Any) -> Any:
        try:
            return self.cls.__pydantic_validator__.validate_python(parts, **self._options)
        except Exception as error:  # noqa: BLE001  whatever its validators raise
            # Without the error's own text: it shows values.
            raise self.misfit(f"its own validation refuses it ({_described(error)})") from None

    def _compare(self, new: Any, state: dict[str, Any], extra: dict[str, Any] | None) -> None:
        if type(new) is not self.cls:
            raise self.misfit("its validation makes something else of it")
        made = new.__dict__
        for name, value in state.items():
            if made[name] is not value and not same(made[name], value):
                raise self.misfit(f"its validation changes {name!r} each time")
        if not same(new.__pydantic_extra__, extra):
            raise self.misfit("its validation changes the extra fields each time")

    def _set_private(self, new: Any, private: dict[str, Any]) -> None:
        if not private.keys() <= self._private:
            raise self.misfit("private attributes were given that it has not")
        object.__setattr__(new, "__pydantic_private__", private)


def model_fields(cls: Any) -> dict[str, Any]:
    """The fields of a model, with all that names in their types have come to mean."""
    if not cls.__pydantic_complete__:  # nobody has made an instance yet
        cls.model_rebuild(raise_errors=False)
    fields: dict[str, Any] = cls.model_fields
    return fields


def _spelling(cls: Any, fields: dict[str, Any]) -> tuple[dict[str, str], dict[str, bool]]:
    """What validation has to call the fields, where not by their names, and options for it."""
    major, minor, *_ = sys.modules["pydantic"].VERSION.split(".")
    # A constructor of the class's own passes the names on without the options.
    if (int(major), int(minor)) >= (2, 11) and not cls.__pydantic_custom_init__:
        return {}, {"by_alias": False, "by_name": True}
    return {name: _alias(field, name) for name, field in fields.items()}, {}


def _alias(field: Any, name: str) -> str:
    alias = field.validation_alias
    for choice in getattr(alias, "choices", (alias,)):
        if isinstance(choice, str):
            return choice
    return name


def _described(error: Exception) -> str:
    name = type(error).__name__
    if name != "ValidationError" or not hasattr(error, "errors"):
        return name
    details = cast("Any", error).errors(include_url=False, include_context=False, include_input=False)
    # Deeper places may be keys of dictionaries, which are values as well.
    where = listed({str(each["loc"][0]) for each in details if each["loc"]})
    return f"{name} at {where}" if where else name
