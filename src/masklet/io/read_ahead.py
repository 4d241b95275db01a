"""Reading ahead: a thread decodes the frames that will be asked for next, while the model works on the present one.

One thread does all the reading, since sources are not made for several; those who ask wait for what it has to say. It
knows only the state that it shares with the front, not the front itself, so that it ends when nobody holds the front.
"""

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from masklet.types import FrameSource

PATIENCE = 5.0
"""Seconds that `close` waits for a thread that is reading. One that hangs longer ends when its source lets it."""


class ReadAhead:
    """A `FrameSource` that has the next frames ready: at most `bound` of them, in the direction of the last two reads.

    Reads `bound` or fewer frames apart, in either direction, are a direction; a longer jump is not, until a second read
    follows it. A frame that cannot be read raises when it is asked for, each time, and stops nothing else. May be used
    from several threads. source: what is wrapped; its frames must not be read meanwhile.
    """

    def __init__(self, source: FrameSource, bound: int):
        if bound < 1:
            raise ValueError(f"bound must be positive, not {bound}: without read-ahead, use the source itself")
        self.source = source
        self.frame_size: tuple[int, int] = source.frame_size
        self._length = len(source)
        self._state = _Ahead(source, self._length, bound)
        self._turn = threading.Lock()
        self._worker = _Worker(self, self._state, "masklet-read-ahead")

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """One frame; negative indices count from the end."""
        if not -self._length <= index < self._length:
            raise IndexError(f"there is no frame {index}: the video has frames 0 to {self._length - 1}")
        index = int(index) % self._length
        with self._turn:
            self._worker.start()
            found = self._state.ask(index)
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self) -> None:
        """End the thread and close the source."""
        self._worker.end()
        self._state.clear()


class StreamAhead:
    """A `FrameStream` that reads an iterator up to `bound` frames ahead, in order, losing none.

    What the iterator raises is raised in its place, after the frames that came before; reading then goes on.
    """

    def __init__(self, iterator: Iterator[np.ndarray], bound: int):
        if bound < 1:
            raise ValueError(f"bound must be positive, not {bound}: without read-ahead, use the iterator itself")
        self.source = iterator
        self._state = _Queue(iterator, bound)
        self._turn = threading.Lock()
        self._worker = _Worker(self, self._state, "masklet-stream-ahead")

    def __iter__(self) -> "StreamAhead":
        return self

    def __next__(self) -> UInt8[np.ndarray, "H W 3"]:
        with self._turn:
            self._worker.start()
            found = self._state.take()
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self) -> None:
        """End the thread and close the iterator, where it can be closed. Frames that were ready are dropped."""
        self._worker.end()
        self._state.clear()


class _Worker:
    """The thread of a front: begun at the first read, ended by `end` or when the front is collected."""

    def __init__(self, front: Any, state: "_Ahead | _Queue", name: str):
        self._state = state
        self._thread = threading.Thread(target=state.work, name=name, daemon=True)
        self._beginning = threading.Lock()
        # The finalizer must not hold the front: it holds the state and the thread alone.
        self._finalizer = weakref.finalize(front, state.stop)

    def start(self) -> None:
        with self._beginning:
            if self._thread.ident is None and not self._state.stopped:
                self._thread.start()

    def end(self) -> None:
        self._finalizer()
        with self._beginning:  # once stopped, it does not begin any more
            has_begun = self._thread.ident is not None
        if not has_begun:
            self._state.let_go()
        elif threading.current_thread() is not self._thread:
            self._thread.join(PATIENCE)


class _State:
    """What a front and its thread share. The condition guards all of it, except that only the thread reads."""

    def __init__(self, source: Any):
        self.changed = threading.Condition()
        self.stopped = False
        self.source: Any = source
        self.ready: Any = {}

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.changed.notify_all()

    def work(self) -> None:
        try:
            while self.step():
                pass
        finally:
            self.stop()
            self.let_go()

    def step(self) -> bool:
        """Read one frame, waiting until there is one to read; False at the end."""
        raise NotImplementedError

    def clear(self) -> None:
        with self.changed:
            self.ready.clear()

    def let_go(self) -> None:
        """Close the source, once, from the thread that read it."""
        source, self.source = self.source, None
        close: Callable[[], None] | None = getattr(source, "close", None)
        if close is not None:
            close()


class _Ahead(_State):
    def __init__(self, source: FrameSource, length: int, bound: int):
        super().__init__(source)
        self._length = length
        self._bound = bound
        self.ready: dict[int, np.ndarray | BaseException] = {}
        self._plan: list[int] = []
        self._wanted: int | None = None
        self._last: int | None = None
        self._stride = 1

    def ask(self, index: int) -> np.ndarray | BaseException:
        with self.changed:
            if self._last is not None and index != self._last:
                apart = index - self._last
                self._stride = apart if abs(apart) <= self._bound else 0
            self._last = index
            ahead = [index + self._stride * (n + 1) for n in range(self._bound)] if self._stride else []
            self._plan = [frame for frame in ahead if 0 <= frame < self._length]
            self._wanted = index
            self.ready = {frame: ready for frame, ready in self.ready.items() if frame == index or frame in self._plan}
            self.changed.notify_all()
            self.changed.wait_for(lambda: index in self.ready or self.stopped)
            self._wanted = None
            if index not in self.ready:
                return ValueError(f"the video was closed: open it again to read frame {index}")
            return self.ready.pop(index)

    def step(self) -> bool:
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or self._next() is not None)
            index = self._next()
            if self.stopped or index is None:
                return False
        try:
            found: np.ndarray | BaseException = self.source[index]
        except BaseException as error:  # raised where the frame is asked for
            found = error
        with self.changed:
            if not self.stopped and (index == self._wanted or index in self._plan):
                self.ready[index] = found
                self.changed.notify_all()
        return True

    def _next(self) -> int | None:
        if self._wanted is not None and self._wanted not in self.ready:
            return self._wanted
        return next((frame for frame in self._plan if frame not in self.ready), None)


class _Queue(_State):
    def __init__(self, iterator: Iterator[np.ndarray], bound: int):
        super().__init__(iterator)
        self._bound = bound
        self.ready: deque[np.ndarray | BaseException] = deque()

    def take(self) -> np.ndarray | BaseException:
        with self.changed:
            self.changed.wait_for(lambda: self.ready or self.stopped)
            if not self.ready:
                return StopIteration()
            found = self.ready.popleft()
            self.changed.notify_all()
            return found

    def step(self) -> bool:
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or len(self.ready) < self._bound)
            if self.stopped:
                return False
        try:
            found: np.ndarray | BaseException = next(self.source)
        except StopIteration:
            return False
        except BaseException as error:  # raised where the frame is asked for
            found = error
        with self.changed:
            if not self.stopped:
                self.ready.append(found)
                self.changed.notify_all()
        return True
