import contextlib
import threading

import pytest

from keras_skeleton.video import ahead
from keras_skeleton.video.ahead import read_ahead


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("most", [1, 4, 1000])
@pytest.mark.parametrize("length", [0, 1, 50])
def test_items_come_in_order(most, length):
    assert list(read_ahead(range(length), most)) == list(range(length))


def test_none_and_exceptions_are_items_like_others():
    items = [None, ValueError("an item"), "end", ("error", 1)]
    assert list(read_ahead(items)) == items


def test_no_more_than_the_wanted_number_is_read_ahead():
    read, reached = [], threading.Event()

    def items():
        for number in range(100):
            read.append(number)
            if number == 4:  # one is used, three wait, one waits to wait
                reached.set()
            yield number

    with contextlib.closing(read_ahead(items(), most=3)) as found:
        assert next(found) == 0
        assert reached.wait(30)
        assert len(read) <= 5
        assert next(found) == 1


def test_items_are_read_while_the_last_one_is_used():
    used, read = threading.Event(), threading.Event()

    def items():
        yield 0
        assert used.wait(30)
        read.set()
        yield 1

    with contextlib.closing(read_ahead(items())) as found:
        assert next(found) == 0
        used.set()
        assert read.wait(30)  # although nobody has asked for it
        assert list(found) == [1]


def test_an_error_is_raised_where_its_item_would_be():
    def items():
        yield 0
        yield 1
        raise KeyError("damaged")

    found = read_ahead(items())
    assert (next(found), next(found)) == (0, 1)
    with pytest.raises(KeyError, match="damaged"):
        next(found)
    assert list(found) == []


def test_items_are_closed_and_the_thread_ends_when_nobody_wants_more(monkeypatch):
    monkeypatch.setattr(ahead, "WAIT", 0.001)
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    source = items()
    found = read_ahead(source, most=2)
    assert next(found) == 0
    found.close()
    del source
    assert closed.is_set()


def test_an_error_of_the_user_ends_the_thread():
    with (
        pytest.raises(ZeroDivisionError),
        contextlib.closing(read_ahead(iter(int, 1))) as found,
    ):
        for number in found:
            1 / number


def test_what_is_never_started_has_no_thread():
    before = threading.active_count()
    found = read_ahead(range(3))
    assert threading.active_count() == before
    found.close()
