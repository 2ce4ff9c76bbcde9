"""numpy's arrays and scalars are arguments like others, in programs that use numpy."""

import numpy as np
import pytest
from keytools import differ, encode, refusal, run, same


def test_arrays_differ_by_dtype_shape_and_content():
    """Whatever their bytes have in common."""
    array = np.arange(6)

    assert differ(
        array, array[::-1], array.reshape(2, 3), array.reshape(3, 2), array.astype(float), array.tolist()
    )
    assert differ(
        array.astype(">i8"), array, array.view("u8"), array.tobytes(), np.zeros(0), np.zeros((0, 3))
    )


def test_how_an_array_lies_in_memory_does_not_matter():
    """Strides, order and views are no content."""
    array = np.arange(6).reshape(2, 3)

    assert same(array, np.asfortranarray(array), np.arange(12).reshape(2, 6)[:, ::2] // 2, array.copy())


def test_every_item_of_a_large_array_counts():
    """It enters as a digest of all of it."""
    array = np.zeros(100_000)
    changed = array.copy()
    changed[50_000] = 1e-300

    assert len(encode(array)) < 200
    assert differ(array, changed)


def test_scalars_differ_from_pythons_own_and_by_dtype():
    """A float64 is a float for Python, but not for what a function may do with it."""
    assert differ(np.float64(1), np.float32(1), np.int64(1), np.bool_(True), 1.0, 1, np.array(1.0))
    assert differ(
        np.str_("a"),
        "a",
        np.bytes_(b"a"),
        b"a",
        np.datetime64("2024-01-01"),
        np.datetime64("2024-01-01", "s"),
    )
    assert differ(
        np.int64(1), np.uint64(1), np.timedelta64(1, "s"), np.timedelta64(1, "m"), np.datetime64(1, "s")
    )
    assert same(np.float64(1), np.arange(3.0)[1])


def test_structured_arrays_differ_by_their_fields():
    """Names, types and offsets are part of the dtype."""
    kinds = [[("a", "i4")], [("b", "i4")], [("a", "f4")], [("a", "i2"), ("b", "i2")], [("a", "i2", 2)]]

    assert differ(*(np.zeros(1, kind) for kind in kinds), np.zeros(1, "V4"))


def test_dtypes_are_arguments():
    """As are numpy's classes."""
    assert differ(np.dtype("f4"), np.dtype("f8"), np.float32, np.float64, "f4", np.dtype([("a", "f4")]))


@pytest.mark.parametrize("dtype", [object, [("a", int), ("b", object)]], ids=["objects", "field of objects"])
def test_arrays_of_objects_are_refused(dtype):
    """Their bytes are addresses."""
    assert "holds references to objects" in refusal([np.zeros(1, dtype)])


class Image(np.ndarray):
    pass


class Metres(np.float64):
    pass


def test_subclasses_of_arrays_and_scalars_differ():
    """And what an instance bears beside its content counts."""
    array, image, marked = np.arange(3), np.arange(3).view(Image), np.arange(3).view(Image)
    marked.source = "camera"

    assert differ(array, image, marked, array.view(np.recarray))
    assert differ(Metres(1), np.float64(1), Metres(2))


def test_masked_values_count():
    """Two arrays of one mask and different data below it are different arguments."""
    assert differ(
        *(np.ma.masked_array([data, 1], mask=[mask, False]) for data in (1, 2) for mask in (True, False))
    )


def test_keys_work_without_numpy_and_pydantic():
    """They are neither needed nor imported."""
    program = (
        "import sys; from askonce.keys import Encoder, shape; import dataclasses\n"
        "Point = dataclasses.make_dataclass('Point', ['x'])\n"
        "Encoder().encode([Point(1)]); shape(Point)\n"
        "print({'numpy', 'pydantic'} & set(sys.modules))"
    )

    assert run("-c", program).strip() == "set()"
