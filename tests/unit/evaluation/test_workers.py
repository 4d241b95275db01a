"""Work in this process and in others: every piece has an outcome, whatever happens to the processes."""

import os
import time
from collections import Counter

import pytest
import torch

from masklet.evaluation.workers import Advance, Failure, explain, work_through


def prepare(worker: int):
    """Work that says who did it, and takes orders from its pieces."""

    def work(piece: str, advance: Advance) -> tuple[str, int, int]:
        if piece == "wrong":
            raise ValueError("this piece is wrong")
        if piece == "die":
            os._exit(3)
        if piece == "sleep":
            time.sleep(60)
        advance()
        advance()
        return piece.upper(), os.getpid(), torch.get_num_threads()

    return work


def cannot_prepare(worker: int):
    raise FileNotFoundError("there is no model")


def run(pieces, num_workers, prepare=prepare):
    steps = []
    outcomes = list(work_through(pieces, prepare, num_workers=num_workers, on_advance=lambda: steps.append(1)))
    return outcomes, len(steps)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_every_piece_has_an_outcome(num_workers: int) -> None:
    pieces = ["a", "wrong", "b", "c", "d"]
    outcomes, steps = run(pieces, num_workers)
    assert Counter(piece for piece, _ in outcomes) == Counter(pieces)
    by_piece = dict(outcomes)
    assert by_piece["wrong"] == Failure("this piece is wrong")
    assert [by_piece[piece][0] for piece in "abcd"] == ["A", "B", "C", "D"]
    assert steps == 8
    pids = {by_piece[piece][1] for piece in "abcd"}
    assert (pids == {os.getpid()}) == (num_workers == 1)
    if num_workers > 1:
        assert by_piece["a"][2] == max(1, (os.cpu_count() or 1) // num_workers)


def test_one_process_works_in_order() -> None:
    outcomes, _ = run(["c", "a", "b"], 1)
    assert [piece for piece, _ in outcomes] == ["c", "a", "b"]


def test_a_process_that_dies_takes_its_piece_alone() -> None:
    outcomes = dict(run(["die", "a", "b", "c"], 2)[0])
    assert isinstance(outcomes["die"], Failure)
    assert "exit code 3" in outcomes["die"].reason
    assert all(outcomes[piece][0] == piece.upper() for piece in "abc")


def test_all_processes_die() -> None:
    outcomes = [outcome for _, outcome in run(["die", "die", "a"], 2)[0]]
    assert all(isinstance(outcome, Failure) for outcome in outcomes)
    assert len(outcomes) == 3
    assert "no process was left" in outcomes[-1].reason


def test_nobody_can_prepare() -> None:
    with pytest.raises(RuntimeError, match="there is no model"):
        run(["a", "b"], 2, cannot_prepare)
    with pytest.raises(FileNotFoundError):
        run(["a"], 1, cannot_prepare)


def test_closing_ends_all_processes() -> None:
    outcomes = work_through(["a", "sleep"], prepare, num_workers=2, on_advance=lambda: None)
    assert next(outcomes)[0] == "a"
    began = time.monotonic()
    outcomes.close()
    assert time.monotonic() - began < 30


def test_nothing_to_do() -> None:
    assert run([], 3, cannot_prepare) == ([], 0)


def test_no_workers() -> None:
    with pytest.raises(ValueError, match="num_workers is 0"):
        run(["a"], 0)


def test_explanations() -> None:
    assert explain(ValueError("too large")) == "too large"
    assert explain(KeyError("x")) == "KeyError: 'x'"
