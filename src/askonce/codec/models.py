"""How models of pydantic are taken apart, and put together by their own validators."""

from typing import Any, cast

from askonce.codec.plans import Names, Plan
from askonce.codec.sameness import same
from askonce.exceptions import CodecError


class ModelPlan(Plan):
    """Models of pydantic: the names of the given fields, the extras, the private attributes, the fields.

    A model is rebuilt by validating what it consisted of. It has to come out as it was: what its validators
    would change again is refused, since a hit must be what the miss was.
    """

    asks = True

    def __init__(self, cls: Any) -> None:
        super().__init__(cls)
        self._fields: dict[str, Any] = cls.model_fields
        self._is_root = bool(getattr(cls, "__pydantic_root_model__", False))
        self._private = frozenset(cls.__private_attributes__)

    def take(self, value: Any) -> tuple[Names, list[Any]]:
        """Everything that the model carries, but for what properties keep."""
        state: dict[str, Any] = value.__dict__
        names = tuple(self._fields)
        if missing := [name for name in names if name not in state]:
            raise self.misfit(f"its field {missing[0]!r} was never set")
        given = sorted(value.__pydantic_fields_set__)
        parts = [given, value.__pydantic_extra__, value.__pydantic_private__]
        return names, [*parts, *(state[name] for name in names)]

    def check(self, names: Names) -> None:
        """They are those of the class."""
        if names != tuple(self._fields):
            raise self.misfit("its fields are others")

    def build(self, names: Names, parts: list[Any]) -> Any:
        """A model that its class accepts."""
        given, extra, private, *values = parts
        state = dict(zip(names, values, strict=True))
        if not {*given} <= state.keys() | (extra or {}).keys():
            raise self.misfit("fields were given that it has not")
        new = self._validated(self._input(state, {*given}, extra or {}))
        self._compare(new, state, extra)
        object.__setattr__(new, "__pydantic_fields_set__", {*given})
        if private is not None:
            if not private.keys() <= self._private:
                raise self.misfit("private attributes were given that it has not")
            object.__setattr__(new, "__pydantic_private__", private)
        return new

    def _input(self, state: dict[str, Any], given: set[str], extra: dict[str, Any]) -> Any:
        if self._is_root:
            return state["root"]
        # Defaults need not pass validation, so they are left to the class.
        fields = self._fields
        passed = {n: it for n, it in state.items() if n in given or not same(it, fields[n].default)}
        if not extra.keys().isdisjoint(fields):
            raise self.misfit("a field is given twice")
        return {**passed, **extra}

    def _validated(self, parts: Any) -> Any:
        try:
            return self.cls.__pydantic_validator__.validate_python(parts, by_alias=False, by_name=True)
        except CodecError:
            raise
        except Exception as error:  # noqa: BLE001  whatever its validators raise
            # Without the error's own text: it shows values.
            raise self.misfit(f"its own validation refuses it ({_described(error)})") from None

    def _compare(self, new: Any, state: dict[str, Any], extra: dict[str, Any] | None) -> None:
        if type(new) is not self.cls:
            raise self.misfit("its validation makes something else of it")
        for name, value in state.items():
            if not same(new.__dict__[name], value):
                raise self.misfit(f"its validation changes {name!r} each time")
        if not same(new.__pydantic_extra__, extra):
            raise self.misfit("its validation changes the extra fields each time")


def _described(error: Exception) -> str:
    name = type(error).__name__
    if name != "ValidationError" or not hasattr(error, "errors"):
        return name
    details = cast("Any", error).errors(include_url=False, include_context=False, include_input=False)
    where = ", ".join(".".join(map(str, each["loc"])) for each in details[:5])
    return f"{name} at {where}" if where else name
