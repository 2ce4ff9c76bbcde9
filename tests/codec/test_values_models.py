"""Models of pydantic come back through their own validation, exactly as they were."""

import dataclasses
import datetime as dt
import enum
import uuid
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, TypeVar

import pydantic
import pytest
from codectools import tagged, there_and_back
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, RootModel

from askonce.codec.shapes import Shape
from askonce.codec.values import decode, encode
from askonce.exceptions import CodecError

T = TypeVar("T")


class Mood(enum.Enum):
    GOOD = 1


@dataclasses.dataclass
class Span:
    start: int
    end: int


class Item(BaseModel):
    name: str
    price: Decimal = Decimal(0)


class Special(Item):
    level: int = 1


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: "Page[T] | None" = None


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")

    text: str = Field(alias="Text")
    items: list[Item] = []
    spans: tuple[Span, ...] = ()
    made: dt.datetime | None = None
    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    mood: Mood | None = None
    tags: set[str] = set()
    table: dict[int, Item] = {}
    kind: Literal["a"] = "a"
    unchecked: int = None
    _request_id: Any = PrivateAttr(None)

    @cached_property
    def shout(self):
        return self.text.upper()


class Sealed(BaseModel):
    model_config = ConfigDict(frozen=True)

    a: int


class Numbers(RootModel[list[int]]):
    pass


class Built(BaseModel):
    """With a constructor of its own, and a field of two names."""

    text: str = Field(alias="Text")
    choice: int = Field(0, validation_alias=pydantic.AliasChoices("Choice", "choices"))

    def __init__(self, **fields):
        super().__init__(**fields)
        self.text = self.text.strip()


@pydantic.dataclasses.dataclass
class Checked:
    a: int
    b: Item | None = None


def same(one, other):
    return (
        type(one) is type(other)
        and one == other
        and one.__pydantic_fields_set__ == other.__pydantic_fields_set__
        and one.__pydantic_extra__ == other.__pydantic_extra__
        and one.__pydantic_private__ == other.__pydantic_private__
    )


def full():
    value = Answer(
        Text="hi", items=[Item(name="x", price="1.10")], spans=[Span(1, 2)], made=dt.datetime(2024, 1, 1),
        mood=Mood.GOOD, tags={"a"}, table={1: Item(name="y")}, extra_one={"a": (1,)}, Other=[1],
    )  # fmt: skip
    value._request_id = ("r", 1)
    return value


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Answer(Text="hi"), Answer),
        (full(), Answer | None),
        (Built(Text=" a ", choices=2), Built),
        (Sealed(a=1), Sealed),
        (Numbers([1, 2]), Numbers),
        (Page[Item](items=[Item(name="a")], next=Page[Item](items=[])), Page[Item]),
        (Page[int](items=[1]), Annotated[Page[int], "noted"]),
        (Item.model_construct(name="a", price=Decimal(1), _fields_set={"name"}), Item),
    ],
)
def test_models_come_back_as_they_were(value, annotation):
    """Aliases, extras, private attributes, what was given and what was a default."""
    assert same(there_and_back(value, annotation), value)


def test_types_inside_of_a_model_are_kept():
    """A set is no list, a nested dataclass no dictionary."""
    back = there_and_back(full(), Answer)

    assert type(back.tags) is set
    assert type(back.spans) is tuple
    assert type(back.spans[0]) is Span
    assert type(back.table[1]) is Item
    assert [*back.table] == [1]
    assert back.shout == "HI"


def test_a_subclass_in_a_field_stays_a_subclass():
    """Where the annotation knows it too."""

    class Shelf(BaseModel):
        items: list[Item]

    back = there_and_back(Shelf(items=[Special(name="a", level=3)]), Shelf | Special)

    assert type(back.items[0]) is Special
    assert back.items[0].level == 3


def test_dataclasses_of_pydantic_come_back():
    """Like others."""
    value = Checked(1, Item(name="a"))

    assert there_and_back(value, Checked) == value


def test_a_payload_that_does_not_fit_the_model_is_refused():
    """Whoever can write to the server cannot make a model its class would not make."""
    shape = Shape.of(Item)
    good = b'[[["test_values_models:Item","name","price"]],["@",0,null,null,null,"a",["D","1"]]]'
    assert decode(*tagged(good), shape) == Item(name="a", price=1)

    for old, new in [
        (b'"a"', b"5"),
        (b'["D","1"]', b'"1"'),
        (b'["D","1"]', b"null"),
        (b'"name","price"', b'"name"'),
        (b"0,null", b'0,["l","nothing"]'),
        (b"null,null,", b'null,{"more":1},'),
        (b"null,null,", b'null,{"name":"b"},'),
        (b'null,"a"', b'{"_secret":1},"a"'),
    ]:
        with pytest.raises(CodecError, match="Item"):
            decode(*tagged(good.replace(old, new, 1)), shape)


@pytest.mark.parametrize("part", [b"true", b"1.0", b'"1"', b'["D","1"]', b"null"])
@pytest.mark.parametrize("node", [b"%s", b'["S",%s]', b'["l",%s]', b'["d",1,%s]', b'["t",["l",%s]]'])
def test_what_validation_would_turn_into_something_else_is_refused(node, part):
    """A truth value is no number, however equal they are; wherever in a field it stands."""
    kinds = {b"%s": int, b'["S",%s]': set[int], b'["l",%s]': list[int], b'["d",1,%s]': dict[int, int]}
    made = pydantic.create_model("Made", a=(kinds.get(node, tuple[list[int]]), ...), __module__="made")
    text = b'[[["made:Made","a"]],["@",0,null,null,null,%s]]' % node

    assert decode(*tagged(text % b"1"), Shape.of(made)).a
    with pytest.raises(CodecError, match="Made"):
        decode(*tagged(text % part), Shape.of(made))


def test_a_validators_own_exception_means_that_the_value_does_not_count():
    """Whatever it raises."""

    class Fussy(BaseModel):
        a: int

        @pydantic.field_validator("a")
        @classmethod
        def check(cls, value):
            if refusing:
                raise ZeroDivisionError("SECRET")
            return value

    refusing = False
    payload = encode(Fussy(a=1), Shape.of(Fussy))
    refusing = True

    with pytest.raises(CodecError, match=r"Fussy.*ZeroDivisionError") as caught:
        decode(*payload, Shape.of(Fussy))
    assert "SECRET" not in str(caught.value)


def test_what_validation_says_about_values_is_not_repeated():
    """Values never stand in logs; where in the model it was may."""
    shape = Shape.of(Item)
    kind, payload = encode(Item(name="a"), shape)

    with pytest.raises(CodecError, match=r"ValidationError at name") as caught:
        decode(kind, payload.replace(b'"a"', b"777"), shape)
    assert "777" not in str(caught.value)


def test_a_model_whose_validators_change_it_each_time_is_not_stored():
    """A hit would not be what the miss was."""

    class Cents(BaseModel):
        price: Annotated[int, AfterValidator(lambda value: value * 100)]

    with pytest.raises(CodecError, match=r"Cents.*changes 'price'"):
        encode(Cents(price=1), Shape.of(Cents))


def test_a_model_that_was_changed_into_what_it_would_refuse_is_not_stored():
    """Assignments are not checked by default; what is stored is."""

    class Loose(BaseModel):
        a: int

    value = Loose(a=1)
    value.a = "text"

    with pytest.raises(CodecError, match=r"Loose.*ValidationError at a"):
        encode(value, Shape.of(Loose))


def test_storing_a_model_leaves_it_as_it_is():
    """Whoever called the function has it in hands."""

    class Sorting(BaseModel):
        it: list[Any]
        inner: dict[str, list[int]]

        @pydantic.model_validator(mode="after")
        def sort(self):
            self.it.sort(key=str)
            return self

    value = Sorting(it=[1, 2], inner={"a": [2, 1]})
    value.it.reverse()

    with pytest.raises(CodecError, match="Sorting"):
        encode(value, Shape.of(Sorting))
    assert value.it == [2, 1]


def test_an_attribute_that_is_no_field_is_refused():
    """It would be lost."""
    value = Item(name="a")
    vars(value)["sneaked"] = 1

    with pytest.raises(CodecError, match="sneaked is no field"):
        encode(value, Shape.of(Item))


def test_a_model_that_validates_to_another_class_is_not_stored():
    """Its class would not be what it was."""

    class Choosy(BaseModel):
        a: int

        @pydantic.model_validator(mode="wrap")
        @classmethod
        def choose(cls, value, handler):
            return Sealed(a=1) if type(value) is dict else handler(value)

    with pytest.raises(CodecError, match="something else"):
        encode(Choosy.model_construct(a=1), Shape.of(Choosy))


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 11), reason="pydantic 2.11 began to know names"
)
def test_a_field_that_is_given_only_by_a_path_comes_back():
    """With a constructor of the model's own as well, unless that hides it."""

    class Deep(BaseModel):
        a: int = Field(0, validation_alias=pydantic.AliasPath("x", "y"))

    class Custom(Deep):
        def __init__(self, **fields):
            super().__init__(**fields)

    value = Deep(x={"y": 5})

    assert same(there_and_back(value, Deep), value)
    with pytest.raises(CodecError, match="changes 'a'"):
        encode(Custom(x={"y": 5}), Shape.of(Custom))
    assert same(there_and_back(Custom(), Custom), Custom())


def test_a_field_that_was_never_set_is_refused():
    """As a model made without validation may have."""
    with pytest.raises(CodecError, match="'name' was never set"):
        encode(Item.model_construct(), Shape.of(Item))


def test_urls_of_pydantic_come_back():
    """They are no texts."""

    class Site(BaseModel):
        home: pydantic.HttpUrl
        store: pydantic.PostgresDsn

    value = Site(home="http://é.example/a b", store="postgres://u:p@one,two/db")

    assert same(there_and_back(value, Site), value)


def test_a_secret_is_not_written_out():
    """Nobody asked for it to be on the server."""

    class Login(BaseModel):
        password: pydantic.SecretStr

    with pytest.raises(CodecError, match="SecretStr"):
        encode(Login(password="x"), Shape.of(Login))


def test_two_parametrisations_of_a_generic_model_are_two_classes():
    """A page of texts never comes back as a page of numbers."""
    payload = encode(Page[int](items=[1]), Shape.of(Page[int]))

    with pytest.raises(CodecError, match=r"Page\[builtins:int\]"):
        decode(*payload, Shape.of(Page[str]))
