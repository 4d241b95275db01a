"""`masklet evaluate`: how good masks are, of videos and of pictures."""

from cyclopts import App

from masklet.cli.evaluate_image import image
from masklet.cli.evaluate_interactive import interactive
from masklet.cli.evaluate_masks import masks
from masklet.cli.evaluate_report import report
from masklet.cli.evaluate_vos import vos

evaluate = App(
    name="evaluate",
    help="Measure how good masks are: of a model on videos or pictures, or of masks that are there already.\n\n"
    "For example:\n\n    masklet evaluate vos DAVIS --model nano --output out",
    help_format="markdown",
)
for command in (vos, interactive, image, masks, report):
    evaluate.command(command)
