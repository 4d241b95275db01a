"""The drawing options: read from the command line, and handed on as a style."""

import pytest
from cyclopts import App, CycloptsError

from masklet.cli.draw_options import DrawOptions
from masklet.io.overlay import OverlayStyle


def parse(*tokens: str) -> DrawOptions:
    app = App(result_action="return_value")

    @app.default
    def command(*, draw: DrawOptions = DrawOptions()) -> DrawOptions:  # noqa: B008
        return draw

    return app(tokens, exit_on_error=False, print_error=False)


def test_nothing_said_gives_the_usual_look() -> None:
    options = parse()
    assert options.style() == OverlayStyle()
    assert not options.no_overlay


@pytest.mark.parametrize(
    ("tokens", "style"),
    [
        (["--fill", "0.1"], OverlayStyle(fill_opacity=0.1)),
        (["--fill", "0"], OverlayStyle(fill_opacity=0)),
        (["--no-contours"], OverlayStyle(contours=False)),
        (["--contours", "--no-labels"], OverlayStyle(captions=False)),
        (["--side-by-side"], OverlayStyle(side_by_side=True)),
    ],
)
def test_each_option_reaches_the_style(tokens: list[str], style: OverlayStyle) -> None:
    assert parse(*tokens).style() == style


def test_no_overlay() -> None:
    assert parse("--no-overlay").no_overlay


@pytest.mark.parametrize("value", ["-0.1", "1.5", "much"])
def test_fills_that_are_refused(value: str) -> None:
    with pytest.raises(CycloptsError):
        parse(f"--fill={value}")
