import gc
import threading
import time
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from masklet.io import read_ahead
from masklet.io.read_ahead import ReadAhead, StreamAhead

PATIENCE = 20.0
"""Seconds after which a test that hangs fails."""


class Numbered:
    """Frames that are full of their number. A gate, where given, must be opened for each read."""

    frame_size = (2, 3)

    def __init__(self, length: int = 20, bad: set[int] | None = None, gate: threading.Semaphore | None = None):
        self.length = length
        self.bad = bad or set()
        self.gate = gate
        self.read: list[int] = []
        self.changed = threading.Condition()
        self.threads: set[int] = set()
        self.closed = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> np.ndarray:
        if self.gate is not None:
            assert self.gate.acquire(timeout=PATIENCE)
        with self.changed:
            self.threads.add(threading.get_ident())
            self.read.append(index)
            self.changed.notify_all()
        if index in self.bad:
            raise ValueError(f"frame {index} is bad")
        return np.full((2, 3, 3), index, np.uint8)

    def close(self) -> None:
        self.closed += 1

    def wait_for(self, reads: list[int]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.read == reads, PATIENCE), f"{self.read}, not {reads}"


def threads_of(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def wait_until_none(name: str) -> None:
    for thread in threads_of(name):
        thread.join(PATIENCE)
    assert not threads_of(name)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    for name in ("masklet-read-ahead", "masklet-stream-ahead"):
        wait_until_none(name)


def test_any_order() -> None:
    source = Numbered(50)
    ahead = ReadAhead(source, 3)
    assert len(ahead) == 50
    assert ahead.frame_size == (2, 3)
    assert ahead.source is source
    rng = np.random.default_rng(0)
    for index in (*range(50), *range(49, -1, -1), *(int(i) for i in rng.integers(0, 50, 300)), *range(0, 50, 2), -1):
        assert (ahead[index] == index % 50).all()
    assert threading.get_ident() not in source.threads
    assert len(source.threads) == 1
    ahead.close()
    assert source.closed == 1


def test_reads_ahead_in_the_direction_of_reading() -> None:
    source = Numbered(20)
    ahead = ReadAhead(source, 3)
    _ = ahead[10]
    source.wait_for([10, 11, 12, 13])
    _ = ahead[11]
    source.wait_for([10, 11, 12, 13, 14])
    source.read.clear()
    _ = ahead[2]  # a jump says nothing of what comes next
    source.wait_for([2])
    _ = ahead[1]
    source.wait_for([2, 1, 0])
    source.read.clear()
    _ = ahead[3]
    source.wait_for([3, 5, 7, 9])
    ahead.close()


def test_stops_at_the_bound_and_at_the_end() -> None:
    gate = threading.Semaphore(0)
    source = Numbered(6, gate=gate)
    ahead = ReadAhead(source, 2)
    gate.release(100)
    _ = ahead[0]
    source.wait_for([0, 1, 2])
    assert sorted(ahead._state.ready) in ([1], [1, 2])
    _ = ahead[4]
    _ = ahead[5]
    assert source.read[3:] == [4, 5]
    ahead.close()


def test_frames_that_cannot_be_read() -> None:
    source = Numbered(10, bad={3, 4})
    ahead = ReadAhead(source, 4)
    for index in range(10):
        if index in source.bad:
            for _ in range(2):
                with pytest.raises(ValueError, match=f"frame {index} is bad"):
                    _ = ahead[index]
        else:
            assert (ahead[index] == index).all()
    source.bad.clear()
    assert (ahead[3] == 3).all()
    for index in (10, -11):
        with pytest.raises(IndexError, match=f"no frame {index}.*frames 0 to 9"):
            _ = ahead[index]
    ahead.close()


def test_even_an_exit_in_the_source_reaches_the_reader() -> None:
    class Leaving(Numbered):
        def __getitem__(self, index: int) -> np.ndarray:
            raise SystemExit(3)

    ahead = ReadAhead(Leaving(), 2)
    for _ in range(2):
        with pytest.raises(SystemExit):
            _ = ahead[0]
    ahead.close()


def test_a_slow_source_and_several_readers() -> None:
    gate = threading.Semaphore(0)
    source = Numbered(30, gate=gate)
    ahead = ReadAhead(source, 2)
    wrong: list[int] = []

    def read(indices: range) -> None:
        wrong.extend(index for index in indices if not (ahead[index] == index).all())

    readers = [threading.Thread(target=read, args=(indices,)) for indices in (range(30), range(29, -1, -1))]
    for reader in readers:
        reader.start()
    for _ in range(500):
        gate.release()
    for reader in readers:
        reader.join(PATIENCE)
        assert not reader.is_alive()
    assert not wrong
    ahead.close()


def test_closing_while_someone_waits() -> None:
    gate = threading.Semaphore(0)
    source = Numbered(gate=gate)
    ahead = ReadAhead(source, 2)
    errors: list[BaseException] = []

    def read() -> None:
        try:
            _ = ahead[5]
        except ValueError as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    while ahead._state._wanted is None:
        pass
    ahead._worker._finalizer()
    reader.join(PATIENCE)
    assert "was closed" in str(errors[0])
    gate.release(10)
    ahead.close()
    ahead.close()
    assert source.closed == 1
    with pytest.raises(ValueError, match="was closed"):
        _ = ahead[5]


def test_closing_before_the_first_read() -> None:
    source = Numbered()
    ahead = ReadAhead(source, 2)
    ahead.close()
    assert source.closed == 1
    assert not threads_of("masklet-read-ahead")
    with pytest.raises(ValueError, match="was closed"):
        _ = ahead[0]


def test_forgetting_ends_the_thread() -> None:
    source = Numbered()
    ahead = ReadAhead(source, 2)
    _ = ahead[0]
    gone = weakref.ref(ahead)
    del ahead
    gc.collect()
    assert gone() is None
    wait_until_none("masklet-read-ahead")
    assert source.closed == 1


@pytest.mark.parametrize("bound", [1, 3, 100])
def test_a_stream_keeps_its_order(bound: int) -> None:
    stream = StreamAhead(iter([np.full((1, 1, 3), i, np.uint8) for i in range(40)]), bound)
    assert iter(stream) is stream
    assert [int(frame[0, 0, 0]) for frame in stream] == list(range(40))
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(stream)
    stream.close()


def test_a_stream_waits_at_its_bound() -> None:
    taken: list[int] = []
    full = threading.Event()

    def frames() -> Iterator[np.ndarray]:
        for index in range(10):
            taken.append(index)
            if len(taken) == 4:
                full.set()
            yield np.zeros((1, 1, 3), np.uint8)

    stream = StreamAhead(frames(), 3)
    assert taken == []
    next(stream)
    assert full.wait(PATIENCE)
    assert taken == [0, 1, 2, 3]
    assert len(list(stream)) == 9


def test_what_a_stream_raises_comes_in_its_place() -> None:
    class Stumbling:
        def __init__(self) -> None:
            self.count = -1
            self.closed = 0

        def __iter__(self) -> "Stumbling":
            return self

        def __next__(self) -> np.ndarray:
            self.count += 1
            if self.count == 2:
                raise ConnectionError("gone for a moment")
            if self.count == 4:
                raise StopIteration
            return np.full((1, 1, 3), self.count, np.uint8)

        def close(self) -> None:
            self.closed += 1

    source = Stumbling()
    stream = StreamAhead(source, 8)
    assert [int(next(stream)[0, 0, 0]) for _ in range(2)] == [0, 1]
    with pytest.raises(ConnectionError, match="gone for a moment"):
        next(stream)
    assert int(next(stream)[0, 0, 0]) == 3
    with pytest.raises(StopIteration):
        next(stream)
    stream.close()
    assert source.closed == 1


def test_closing_a_stream_runs_what_a_generator_has_to_tidy() -> None:
    tidied = threading.Event()

    def frames() -> Iterator[np.ndarray]:
        try:
            while True:
                yield np.zeros((1, 1, 3), np.uint8)
        finally:
            tidied.set()

    stream = StreamAhead(frames(), 2)
    next(stream)
    stream.close()
    assert tidied.is_set()
    with pytest.raises(StopIteration):
        next(stream)


def test_forgetting_a_stream_ends_its_thread() -> None:
    stream = StreamAhead((np.zeros((1, 1, 3), np.uint8) for _ in range(1000)), 2)
    next(stream)
    del stream
    gc.collect()
    wait_until_none("masklet-stream-ahead")


def test_a_bound_is_positive() -> None:
    with pytest.raises(ValueError, match="bound must be positive, not 0"):
        ReadAhead(Numbered(), 0)
    with pytest.raises(ValueError, match="bound must be positive, not -1"):
        StreamAhead(iter([]), -1)


def test_closing_while_the_thread_begins() -> None:
    source = Numbered()
    ahead = ReadAhead(source, 2)
    begins, begin = threading.Event(), ahead._worker._thread.start

    def begin_slowly() -> None:
        begins.set()
        time.sleep(0.1)
        begin()

    ahead._worker._thread.start = begin_slowly  # type: ignore[method-assign]
    outcome: list[object] = []

    def read() -> None:
        try:
            outcome.append(ahead[0])
        except ValueError as error:
            outcome.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert begins.wait(PATIENCE)
    ahead.close()
    reader.join(PATIENCE)
    assert len(outcome) == 1
    assert source.closed == 1


def test_what_comes_after_closing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "PATIENCE", 0.01)
    gates = [threading.Semaphore(1), threading.Semaphore(1)]
    ahead = ReadAhead(Numbered(gate=gates[0]), 2)
    stream = StreamAhead(map(Numbered(gate=gates[1]).__getitem__, range(9)), 2)
    _ = ahead[0]
    next(stream)
    for front, gate in zip((ahead, stream), gates, strict=True):
        front.close()  # while the thread waits at the gate for the next frame
        gate.release()
    wait_until_none("masklet-read-ahead")
    wait_until_none("masklet-stream-ahead")
    with pytest.raises(ValueError, match="was closed"):
        _ = ahead[1]
    with pytest.raises(StopIteration):
        next(stream)
