"""Many pieces of work, one after another or in several processes.

A piece that fails does not stop the others, and a process that dies takes no more with it than the piece in its hands.
"""

import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias, TypeVar

import cv2
import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")

Advance: TypeAlias = Callable[[], None]
"""Called by the work whenever it is a step further."""

Work: TypeAlias = Callable[[Piece, Advance], Result]
"""Does a piece."""

Prepare: TypeAlias = Callable[[int], Work[Piece, Result]]
"""Called once in each process, with its number, for what takes long, such as loading a model."""


@dataclass(frozen=True)
class Failure:
    """Why a piece of work was not done."""

    reason: str


def work_through(
    pieces: Sequence[Piece],
    prepare: Prepare[Piece, Result],
    *,
    num_workers: int = 1,
    on_advance: Advance = lambda: None,
) -> Generator[tuple[Piece, Result | Failure], None, None]:
    """Each piece with what came of it, as they are done.

    num_workers: processes, which share the processor's cores; 1: this one alone. With more, `prepare`, pieces and
    results are pickled. on_advance: called in this process for every step of any. RuntimeError if a process cannot
    prepare. Closing the iterator, or an interrupt, ends all processes.
    """
    if num_workers < 1:
        raise ValueError(f"num_workers is {num_workers}, but there must be at least one")
    num_workers = min(num_workers, len(pieces))
    if num_workers > 1:
        yield from _in_processes(pieces, prepare, num_workers, on_advance)
    elif pieces:
        work = prepare(0)
        for piece in pieces:
            yield piece, _attempt(work, piece, on_advance)


def explain(error: BaseException) -> str:
    """An error in a line: its message, and what kind it is unless it speaks to users."""
    if isinstance(error, OSError | ValueError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _attempt(work: Work[Piece, Result], piece: Piece, advance: Advance) -> Result | Failure:
    try:
        return work(piece, advance)
    except Exception as error:
        return Failure(explain(error))


class _Worker:
    """A process, the line to it, and the number of the piece in its hands."""

    def __init__(self, prepare: Prepare[Any, Any], number: int, num_threads: int) -> None:
        context = get_context("spawn")  # CUDA does not survive a fork
        self.line, theirs = context.Pipe()
        self.piece: int | None = None
        self.process: BaseProcess = context.Process(
            target=_serve, args=(theirs, prepare, number, num_threads), daemon=True
        )
        self.process.start()
        theirs.close()

    def hand(self, number: int, piece: Any) -> None:
        """Give it a piece to do."""
        self.piece = number
        with suppress(OSError):  # a process that has died is noticed where its answer is read
            self.line.send(piece)

    def hear(self) -> tuple[str, Any]:
        """What it says next: ("advanced", None), ("done", result) or ("unprepared", why); or ("died", exit code)."""
        try:
            return self.line.recv()
        except (EOFError, OSError):
            self.process.join()
            return "died", self.process.exitcode

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.terminate()
        self.process.join()
        self.line.close()


def _in_processes(
    pieces: Sequence[Piece], prepare: Prepare[Piece, Result], num_workers: int, on_advance: Advance
) -> Generator[tuple[Piece, Result | Failure], None, None]:
    num_threads = max(1, (os.cpu_count() or 1) // num_workers)
    workers: list[_Worker] = []
    left = iter(range(len(pieces)))
    try:
        for number in range(num_workers):
            workers.append(_Worker(prepare, number, num_threads))
            workers[-1].hand(index := next(left), pieces[index])
        while busy := {worker.line: worker for worker in workers if worker.piece is not None}:
            for line in wait(list(busy)):
                worker = busy[line]  # type: ignore[index]
                what, value = worker.hear()
                if what == "advanced":
                    on_advance()
                    continue
                if what == "unprepared":
                    raise RuntimeError(f"a process could not begin to work: {value}")
                assert worker.piece is not None
                done, worker.piece = worker.piece, next(left, None) if what == "done" else None
                if worker.piece is not None:
                    worker.hand(worker.piece, pieces[worker.piece])
                if what == "died":
                    value = Failure(f"its process ended with exit code {value}, perhaps for want of memory")
                yield pieces[done], value
        for index in left:
            yield pieces[index], Failure("no process was left to do it")
    finally:
        for worker in workers:
            worker.end()


def _serve(line: Any, prepare: Prepare[Any, Any], number: int, num_threads: int) -> None:
    """What a process does: pieces in, steps and results out, until it is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    torch.set_num_threads(num_threads)
    cv2.setNumThreads(num_threads)
    try:
        work = prepare(number)
    except Exception as error:
        line.send(("unprepared", explain(error)))
        return
    with suppress(EOFError):
        while True:
            piece = line.recv()
            line.send(("done", _attempt(work, piece, lambda: line.send(("advanced", None)))))
