"""What the program answers and with which exit code."""

import pytest

from masklet.cli import main as program
from masklet.cli.main import DONE, FAILED, MISUSED, STOPPED, main


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """What the command `fail` raises: put it in."""
    errors: list[BaseException] = []

    def fail() -> None:
        raise errors[0]

    app = program.App(name="masklet", suppress_keyboard_interrupt=False)
    app.command(fail)
    monkeypatch.setattr(program, "app", app)
    monkeypatch.setattr(app, "_meta", None)
    app.meta.default(program.launch)
    return errors


@pytest.mark.parametrize("tokens", [[], ["--help"], ["segment", "--help"], ["models"], ["models", "--help"]])
def test_help(tokens: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tokens) == DONE
    captured = capsys.readouterr()
    assert "Usage: masklet" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize(
    "tokens", [[], ["segment"], *(["models", name] for name in ("list", "download", "convert", "inspect"))]
)
def test_every_help_shows_an_example(tokens: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*tokens, "--help"])
    assert "For example:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == DONE
    assert capsys.readouterr().out.strip()[0].isdigit()


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["segmnt"], "segmnt"),
        (["segment"], "IMAGES"),
        (["segment", "a.jpg"], "--point"),
        (["segment", "a.jpg", "--point"], "--point"),
        (["segment", "a.jpg", "--point", "1"], "'1' is no point"),
        (["segment", "a.jpg", "--point", "-1,-2,5"], "label 5"),
        (["segment", "a.jpg", "--box", "4,4,1,1"], "empty box"),
        (["segment", "a.jpg", "--box", "1,1,4,4", "--box", "1,1,4,4", "--point", "1,1"], "several objects"),
        (["segment", "a.jpg", "--colour", "red"], "--colour"),
        (["segment", "a.jpg", "--point", "1,1", "--hole-area", "-1"], "--hole-area"),
        (["segment", "a.jpg", "--point", "1,1", "--device", "abacus"], "abacus"),
        (["models", "frobnicate"], "frobnicate"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(tokens: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tokens) == MISUSED
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("masklet: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err


@pytest.mark.parametrize(
    "tokens", [["segment", "a.jpg", "--point", "1,1", "--model", "nonesuch"], ["models", "inspect", "nonesuch.pt"]]
)
def test_failure_is_one_line_and_exit_code_1(tokens: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tokens) == FAILED
    captured = capsys.readouterr()
    assert "nonesuch" in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (ValueError("that is wrong"), "masklet: that is wrong", FAILED),
        (FileNotFoundError(2, "No such file", "x"), "No such file", FAILED),
        (MemoryError("12 GB"), "out of memory (12 GB)", FAILED),
        (KeyError("name"), "KeyError", FAILED),
        (ValueError(), "ValueError", FAILED),
        (KeyboardInterrupt(), "stopped", STOPPED),
    ],
)
def test_errors_of_a_command(
    failing: list[BaseException], error: BaseException, words: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(error)
    assert program.app.meta(["fail"], result_action="return_value") == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_debug_shows_where(failing: list[BaseException]) -> None:
    failing.append(ValueError("that is wrong"))
    with pytest.raises(ValueError, match="that is wrong"):
        program.app.meta(["fail", "--debug"], result_action="return_value")
