"""What the commands say: tables and lines on stdout, problems on stderr."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.table import Table

OUT = Console(highlight=False)
ERR = Console(highlight=False, stderr=True)
PROGRAM = "masklet"


class UsageError(ValueError):
    """The command was given in a way that means nothing."""


def say(line: str) -> None:
    """One line on stdout, as it is."""
    print(line)  # rich would expand tabs


def complain(problem: object) -> None:
    """One line on stderr, after the program's name."""
    text = " ".join(str(problem).split())
    ERR.print(f"{PROGRAM}: {text}", style="red", markup=False, soft_wrap=True)


def remark(line: str) -> None:
    """One line on stderr that is no problem, as it is: where stdout has results alone."""
    ERR.print(line, markup=False, soft_wrap=True)


def count(number: int, thing: str) -> str:
    """So many of something, whose plural ends in s: 1 mask, 2 masks."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def progress_bar(*columns: ProgressColumn, disable: bool = False) -> Progress:
    """A bar on stderr, where there is somebody to see it: a description, how many are done, and the columns."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        *columns,
        console=ERR,
        transient=True,
        disable=disable or not ERR.is_terminal,
    )


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for people; where stdout is no terminal, lines with tabs between the columns, for programs.

    Columns without a name have no header.
    """
    named = any(columns)
    if not OUT.is_terminal:
        for row in (columns, *rows) if named else rows:
            say("\t".join(row))
        return
    table = Table(box=None, header_style="bold", pad_edge=False, show_header=named)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    OUT.print(table)
