import pytest

from masklet.io.formats.frame_order import check_frame
from masklet.io.formats.picture import AnnotatedPicture, VideoInfo

VIDEO = VideoInfo(name="films/cups.mp4", height=60, width=80)


def frame(index: int | None, width: int = 80) -> AnnotatedPicture:
    return AnnotatedPicture(name="a.jpg", height=60, width=width, objects=(), frame_index=index)


def test_frames_in_order():
    assert check_frame(frame(6), VIDEO, 6) == 6
    assert check_frame(frame(9), VIDEO, 6) == 9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (frame(5), r"a\.jpg has the frame_index 5, but 6 or more"),
        (frame(None), "frame_index None"),
        (frame(6, width=81), r"a\.jpg is 81 x 60 pixels, but the video films/cups\.mp4 is 80 x 60"),
    ],
)
def test_frames_refused(wrong: AnnotatedPicture, said: str):
    with pytest.raises(ValueError, match=said):
        check_frame(wrong, VIDEO, 6)
