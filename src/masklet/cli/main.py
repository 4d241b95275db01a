"""The program `masklet`: its commands, and how problems are told.

Exit codes: 0, all done; 1, something could not be done; 2, the command was given wrongly; 130, stopped by the user.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import torch
from cyclopts import App, CycloptsError, Parameter

from masklet.cli.bench import bench
from masklet.cli.console import PROGRAM, UsageError, complain
from masklet.cli.convert import convert
from masklet.cli.evaluate import evaluate
from masklet.cli.everything import everything
from masklet.cli.models import models
from masklet.cli.segment import segment
from masklet.cli.track import track

DONE, FAILED, MISUSED, STOPPED = 0, 1, 2, 130

app = App(
    name=PROGRAM,
    help="Point at something in a picture and get its mask, or in a video and follow it; or find everything there is."
    "\n\nFor example:\n\n"
    "    masklet segment cup.jpg --point 290,160 --output out\n"
    "    masklet track clip.mp4 --point 210,350 --output out\n"
    "    masklet everything photos/ --output out --format coco",
    suppress_keyboard_interrupt=False,
    version=lambda: version("masklet"),
    help_format="markdown",
)
app.command(segment)
app.command(track)
app.command(everything)
app.command(convert)
app.command(models)
app.command(evaluate)
app.command(bench)
app.command(
    "masklet.cli.train:train",  # imported when it is asked for: packages that it needs come with an extra
    help="Train a model, or fine-tune one on your own pictures or videos.\n\n"
    "The same command goes on where a run was stopped. On several machines start it by torchrun.\n\n"
    "For example:\n\n"
    "    masklet train image_folder data.train.0.images=photos data.train.0.masks=masks\n"
    "    masklet train image_folder --copy mine.yaml\n"
    "    masklet train mine.yaml optimiser.learning_rate=1e-4 --dry-run",
)


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    debug: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> int:
    """Run a command.

    Parameters
    ----------
    debug
        Show where in the program a problem arose.
    """
    try:
        return app(tokens, exit_on_error=False, print_error=False, result_action="return_value") or DONE
    except CycloptsError as error:
        complain(f"{str(error).rstrip('.')}. See: {PROGRAM} {_command(error)}--help")
        return MISUSED
    except KeyboardInterrupt as stop:
        complain(str(stop) or "stopped")
        return STOPPED
    except Exception as error:
        if debug:
            raise
        complain(_explain(error))
        return MISUSED if isinstance(error, UsageError) else FAILED


def _command(error: CycloptsError) -> str:
    """The command that was being given, with a space after it."""
    return "".join(f"{name} " for name in error.command_chain or ())


def _explain(error: Exception) -> str:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return f"out of memory ({error}): try a smaller --image-size, a smaller --model, or --device cpu"
    if isinstance(error, OSError | ValueError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error} (this may be a fault of masklet; --debug shows where it is)"


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line, `sys.argv` if none is given; the exit code."""
    arguments = sys.argv[1:] if tokens is None else list(tokens)
    return app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value") or DONE
