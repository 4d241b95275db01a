from pathlib import Path

import av
import av.error
import numpy as np
import pytest

from masklet.io.containers import name_of, open_container, reason_of


def test_a_path_a_string_and_bytes(tmp_path: Path, write) -> None:
    path = write(tmp_path / "clip: 1.mp4", frames=3)
    for source in (path, str(path), path.read_bytes()):
        container, stream = open_container(source)
        assert (stream.width, stream.height) == (64, 48)
        container.close()
    assert name_of(path) == name_of(str(path)) == str(path)


def test_a_cover_is_no_video(tmp_path: Path, write) -> None:
    with av.open(str(write(tmp_path / "cover.mp4", "mjpeg", 1))) as file:
        cover = next(file.demux(video=0))
        with av.open(str(tmp_path / "song.mp3"), "w") as song:
            sound = song.add_stream("mp3", rate=44100, layout="mono")
            picture = song.add_stream_from_template(file.streams.video[0])
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), "s16p", "mono")
            silence.sample_rate = 44100
            cover.stream = picture
            song.mux([*sound.encode(silence), cover, *sound.encode(None)])
    with pytest.raises(ValueError, match=r"song\.mp3 has no video stream, only audio, picture"):
        open_container(tmp_path / "song.mp3")


def test_what_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere\.mp4"):
        open_container(tmp_path / "nowhere.mp4")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        open_container(tmp_path)
    for name, data in (("text.txt", b"hello, this is text\n" * 50), ("noise.mp4", bytes(range(256)) * 20)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=f"{name} is not a video that can be read"):
            open_container(tmp_path / name)
        with pytest.raises(ValueError, match="given as bytes is not a video"):
            open_container(data)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match=r"empty\.mp4 is empty"):
        open_container(tmp_path / "empty.mp4")
    with pytest.raises(ValueError, match="is empty"):
        open_container(b"")


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with pytest.raises(ValueError, match=r"sound\.wav has no video stream, only audio"):
        open_container(path)


def test_a_file_that_is_refused_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    really_open = av.open
    monkeypatch.setattr(av, "open", lambda *given: (opened.append(really_open(*given)), opened[-1])[1])
    (tmp_path / "text.txt").write_bytes(b"hello, this is text\n" * 50)
    with pytest.raises(ValueError, match="is not a video"):
        open_container(tmp_path / "text.txt")
    with pytest.raises(AssertionError, match="not open"):
        opened[0].seek(0)


def test_reasons_are_plain() -> None:
    assert reason_of(av.error.InvalidDataError(1, "Invalid data found", "a.mp4")) == "Invalid data found"
    assert reason_of(ValueError("no such camera")) == "no such camera"
