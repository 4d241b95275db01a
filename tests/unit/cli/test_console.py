"""Tables and lines."""

import io

import pytest
from rich.console import Console

from masklet.cli import console


def test_piped_tables_are_lines_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_rows(("name", "path"), [("[a]", "x" * 200), ("b", "[/b]")])
    assert capsys.readouterr().out == f"name\tpath\n[a]\t{'x' * 200}\nb\t[/b]\n"


def test_columns_without_names_have_no_header(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_rows(("", ""), [("a", "b")])
    assert capsys.readouterr().out == "a\tb\n"


def test_tables_in_a_terminal_keep_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=40, color_system=None)
    monkeypatch.setattr(console, "OUT", terminal)
    console.show_rows(("name",), [("[bold]a[/bold]",)])
    assert isinstance(terminal.file, io.StringIO)
    assert "[bold]a[/bold]" in terminal.file.getvalue()


def test_problems_are_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.complain(ValueError("two\n  lines, [red]and more" + " words" * 50))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("masklet: two lines, [red]and more words")


def test_remarks_are_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.remark("[red]5 of 6" + " words" * 50)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "[red]5 of 6" + " words" * 50 + "\n"


@pytest.mark.parametrize(("is_terminal", "disable"), [(True, False), (True, True), (False, False)])
def test_a_bar_is_for_people(monkeypatch: pytest.MonkeyPatch, is_terminal: bool, disable: bool) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=is_terminal, width=80, color_system=None)
    monkeypatch.setattr(console, "ERR", terminal)
    with console.progress_bar(disable=disable) as progress:
        progress.add_task("[bear]", total=2, completed=1)
    assert isinstance(terminal.file, io.StringIO)
    shown = terminal.file.getvalue()
    if is_terminal and not disable:
        assert "[bear]" in shown
        assert "1/2" in shown
    else:
        assert shown.strip() == ""


def test_one_thing_is_one() -> None:
    assert [console.count(number, "mask") for number in (0, 1, 2)] == ["0 masks", "1 mask", "2 masks"]
