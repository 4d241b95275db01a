from fractions import Fraction
from pathlib import Path

import av
import pytest

from masklet.io.video_encoders import ENCODERS, QUALITY, add_video, finest_tick, list_encoders


def test_the_codec_of_the_source_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", set(QUALITY))
    assert list_encoders("mp4", "hevc") == ["libx265", "libx264", "mpeg4"]
    assert list_encoders("mp4", "h264") == ["libx264", "mpeg4"]
    assert list_encoders("mp4", "prores") == list_encoders("mp4", None) == ["libx264", "mpeg4"]
    assert list_encoders("webm", "av1") == ["libsvtav1", "libvpx-vp9"]


def test_encoders_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    assert list_encoders("mp4", "h264") == ["mpeg4"]
    with pytest.raises(ValueError, match="none of the encoders libvpx-vp9, libsvtav1 that webm needs"):
        list_encoders("webm", None)


def test_ticks() -> None:
    assert finest_tick("matroska") == finest_tick("webm") == Fraction(1, 1000)
    for rate in (Fraction(24), Fraction(25), Fraction(30), Fraction(60), Fraction(30000, 1001)):
        assert (1 / rate / finest_tick("mp4")).denominator == 1


@pytest.mark.parametrize(("encoder", "extension"), [(e, "mp4") for e in ENCODERS.values()] + [("mpeg4", "avi")])
def test_streams_are_set_up(tmp_path: Path, encoder: str, extension: str) -> None:
    if encoder not in av.codecs_available:
        pytest.skip(f"this build of PyAV has no {encoder}")
    with av.open(str(tmp_path / f"a.{extension}"), "w") as container:
        stream = add_video(container, encoder, (98, 130), Fraction(25), Fraction(1, 25), Fraction(4, 3))
        context = stream.codec_context
        assert (context.height, context.width) == (98, 130)
        assert not context.bit_rate, "it would go against the quality"
        assert context.sample_aspect_ratio == Fraction(4, 3)
        assert context.colorspace == (6 if encoder == "mpeg4" else 1)
        assert (context.codec_tag == "hvc1") == (encoder == "libx265")
        container.start_encoding()
