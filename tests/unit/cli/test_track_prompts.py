"""Prompts of `masklet track`: order on the command line, files, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cyclopts import App, CycloptsError
from PIL import Image

from masklet.cli.console import UsageError
from masklet.cli.options import Box, Click
from masklet.cli.track_prompts import (
    ObjectPrompt,
    Said,
    TrackPrompts,
    check_frames,
    give_prompts,
    merge_prompts,
    read_prompts,
)
from masklet.io.files import write_mask_png
from masklet.ops.rle import encode_rle
from masklet.predictors.video import VideoSession
from masklet.runtime.load import load_model

MASK = np.pad(np.ones((4, 5), bool), 3)


def is_mask(prompt: ObjectPrompt) -> bool:
    return prompt.mask is not None and np.array_equal(prompt.mask, MASK)


def given(*tokens: str) -> tuple[Said, ...]:
    """What the options say, read by the program that reads all options."""
    app = App()

    @app.default
    def command(*, prompts: TrackPrompts = TrackPrompts()) -> tuple[Said, ...]:  # noqa: B008 (frozen)
        return prompts.said

    return app(tokens, exit_on_error=False, print_error=False, result_action="return_value")


def test_nothing_said_is_object_1_on_frame_0() -> None:
    assert given("--point", "1,2", "--point=3,4,0") == (Said(0, 1, Click(1, 2)), Said(0, 1, Click(3, 4, 0)))


def test_prompts_belong_to_the_object_and_frame_before_them() -> None:
    said = given(
        "--object", "1", "--point", "10,20", "--object=2", "--at", "5", "--box", "1,2,30,40", "--mask", "m.png"
    )
    assert said == (Said(0, 1, Click(10, 20)), Said(5, 2, Box(1, 2, 30, 40)), Said(5, 2, Path("m.png")))


def test_order_counts() -> None:
    said = given(
        "--point", "1,1", "--at", "3", "--point", "2,2", "--object", "7", "--point", "3,3", "--at", "0", "--point=4,4"
    )
    assert [(frame, object_id) for frame, object_id, _ in said] == [(0, 1), (3, 1), (3, 7), (0, 7)]


@pytest.mark.parametrize("tokens", [("--point", "-1,-2.5"), ("--point=-1,-2.5",)])
def test_negative_numbers(tokens: tuple[str, ...]) -> None:
    assert given(*tokens) == (Said(0, 1, Click(-1, -2.5)),)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (("--at", "-1", "--point", "1,1"), "--at '-1'"),
        (("--object", "cat", "--point", "1,1"), "--object 'cat'"),
        (("--at", "1.5", "--point", "1,1"), "whole number"),
        (("--point", "1,1", "--at", "5"), "--at 5 has nothing after it"),
        (("--point", "1"), "no point"),
        (("--box", "3,3,1,1"), "empty box"),
        (("--point",), "--point"),
    ],
)
def test_misuse(tokens: tuple[str, ...], words: str) -> None:
    with pytest.raises(CycloptsError, match=words):
        given(*tokens)


def test_something_must_be_said() -> None:
    with pytest.raises(UsageError, match="--point"):
        TrackPrompts().collect()


def test_a_prompt_an_object_and_frame() -> None:
    said = [Said(0, 1, Click(1, 2)), Said(3, 1, Click(5, 6)), Said(0, 1, Box(0, 0, 4, 4)), Said(0, 1, Click(3, 4, 0))]
    assert merge_prompts(said) == [
        ObjectPrompt(frame=0, object_id=1, clicks=(Click(1, 2), Click(3, 4, 0)), box=Box(0, 0, 4, 4)),
        ObjectPrompt(frame=3, object_id=1, clicks=(Click(5, 6),)),
    ]


@pytest.mark.parametrize(
    ("whats", "words"),
    [
        ((Box(0, 0, 4, 4), Box(1, 1, 4, 4)), "object 2 on frame 9 has two boxes"),
        ((MASK, Click(1, 1)), "object 2 on frame 9 has a mask and another"),
        ((Box(0, 0, 4, 4), MASK), "object 2 on frame 9 has a mask and another"),
        ((MASK, MASK), "object 2 on frame 9 has a mask and another"),
    ],
)
def test_prompts_that_disagree(whats: tuple[Any, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        merge_prompts(Said(9, 2, what) for what in whats)


def test_masks_are_read(tmp_path: Path) -> None:
    write_mask_png(tmp_path / "m.png", MASK)
    (prompt,) = TrackPrompts(said=(Said(0, 1, tmp_path / "m.png"),)).collect()
    assert is_mask(prompt)


def write(folder: Path, *entries: Any) -> Path:
    path = folder / "prompts.json"
    path.write_text(json.dumps({"prompts": entries}))
    return path


def test_a_file_says_all_that_options_say(tmp_path: Path) -> None:
    write_mask_png(tmp_path / "m.png", MASK)
    path = write(
        tmp_path,
        {"frame": 4, "object": 2, "points": [[1, 2.5], [3, 4]], "labels": [1, 0], "box": [0, 0, 9, 9]},
        {"points": [[5, 6]]},
        {"object": 3, "mask": "m.png"},
        {"object": 4, "mask": encode_rle(MASK)},
    )
    first, second, third, fourth = TrackPrompts(prompts=path).collect()
    assert first == ObjectPrompt(frame=4, object_id=2, clicks=(Click(1, 2.5), Click(3, 4, 0)), box=Box(0, 0, 9, 9))
    assert second == ObjectPrompt(frame=0, object_id=1, clicks=(Click(5, 6),))
    assert is_mask(third)
    assert is_mask(fourth)


def test_a_file_and_options_go_together(tmp_path: Path) -> None:
    path = write(tmp_path, {"points": [[5, 6]]})
    prompts = TrackPrompts(prompts=path, said=(Said(0, 1, Click(1, 1, 0)), Said(2, 2, Click(2, 2)))).collect()
    assert prompts == [
        ObjectPrompt(frame=0, object_id=1, clicks=(Click(5, 6), Click(1, 1, 0))),
        ObjectPrompt(frame=2, object_id=2, clicks=(Click(2, 2),)),
    ]


def test_what_is_written_down_can_be_read(tmp_path: Path) -> None:
    said = [Said(4, 2, Click(1, 2, 0)), Said(4, 2, Box(0, 0, 9, 9)), Said(0, 1, MASK)]
    prompts = merge_prompts(said)
    again = TrackPrompts(prompts=write(tmp_path, *(prompt.to_json() for prompt in prompts))).collect()
    assert again == prompts
    assert is_mask(again[1])


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (7, "it is 7"),
        ({}, "neither points"),
        ({"points": [[1, 1]], "colour": "red"}, r"\['colour'\] mean nothing"),
        ({"points": [[1, 1]], "frame": -1}, "frame is -1"),
        ({"points": [[1, 1]], "object": "cat"}, "object is 'cat'"),
        ({"points": [[1, 1]], "frame": True}, "frame is True"),
        ({"points": [[1, 1, 1]]}, "not \\[x, y\\]"),
        ({"points": [["a", 1]]}, "made of numbers"),
        ({"points": [1, 1]}, "made of numbers"),
        ({"points": "1,1"}, "points must be a list"),
        ({"points": [[1, 1]], "labels": [1, 0]}, "as many numbers"),
        ({"points": [[1, 1]], "labels": [2]}, "label 2"),
        ({"points": [[1, float("nan")]]}, "no point"),
        ({"box": [1, 1, 4]}, "no box"),
        ({"box": [4, 1, 1, 4]}, "empty box"),
        ({"mask": "nonesuch.png"}, "nonesuch.png"),
        ({"mask": {"size": [2, 2], "counts": "zz"}}, "counts"),
        ({"mask": {"size": 2, "counts": "4"}}, "no RLE"),
        ({"mask": [1, 2]}, "path of a picture"),
    ],
)
def test_entries_that_mean_nothing_are_named(tmp_path: Path, entry: Any, words: str) -> None:
    path = write(tmp_path, {"points": [[5, 6]]}, entry)
    with pytest.raises(UsageError, match=words) as caught:
        read_prompts(path)
    assert f"{path}, prompts[1]: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"), [("", "not JSON"), ("[1]", "no list of prompts"), ('{"prompts": 1}', "no list of prompts")]
)
def test_files_that_mean_nothing(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(UsageError, match=words):
        read_prompts(tmp_path / "p.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no prompts file"):
        read_prompts(tmp_path / "p.json")


def test_frames_beyond_the_video() -> None:
    check_frames([ObjectPrompt(frame=9, object_id=1)], 10)
    with pytest.raises(UsageError, match="object 3 has a prompt on frame 10, but the video has frames 0 to 9"):
        check_frames([ObjectPrompt(frame=10, object_id=3)], 10)


@pytest.fixture
def session(tiny_checkpoint: Path) -> VideoSession:
    frames = np.random.default_rng(0).integers(0, 256, (3, 10, 11, 3), dtype=np.uint8)
    return VideoSession(load_model(str(tiny_checkpoint), device="cpu"), frames)


def test_a_session_is_told(session: VideoSession) -> None:
    give_prompts(session, merge_prompts([Said(0, 4, Click(1, 2)), Said(2, 4, Box(0, 0, 5, 5)), Said(1, 2, MASK)]))
    assert {id_: sorted(known.prompts) for id_, known in session.tracker.objects.items()} == {4: [0, 2], 2: [1]}


@pytest.mark.parametrize("side", [5, 16])
def test_masks_have_the_frames_size_even_where_logits_have_another(session: VideoSession, side: int) -> None:
    with pytest.raises(UsageError, match=f"the mask is {side} x {side} pixels, but the frame 11 x 10"):
        give_prompts(session, merge_prompts([Said(1, 2, np.ones((side, side), bool))]))


@pytest.mark.parametrize("what", [Click(50, 1), Box(20, 20, 30, 30)])
def test_prompts_that_do_not_fit_are_named(session: VideoSession, what: Any) -> None:
    with pytest.raises(UsageError, match="object 2 on frame 1: "):
        give_prompts(session, merge_prompts([Said(1, 2, what)]))


def test_a_frame_that_cannot_be_read_is_not_misuse(tmp_path: Path, tiny_checkpoint: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    (tmp_path / "1.png").write_text("no picture")
    with VideoSession(load_model(str(tiny_checkpoint), device="cpu"), tmp_path) as session:
        with pytest.raises(ValueError, match=r"1\.png") as caught:
            give_prompts(session, [ObjectPrompt(frame=1, object_id=1, clicks=(Click(1, 1),))])
        assert not isinstance(caught.value, UsageError)
