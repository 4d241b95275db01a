"""How commands draw what they found: one set of options, so that pictures and videos can be asked to look alike."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter, validators

from masklet.io.overlay import FILL_OPACITY, OverlayStyle


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """How the overlay is drawn."""

    fill: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=1))] = FILL_OPACITY
    """How strongly objects are filled with their colours, 0 (contours alone) to 1 (nothing shines through)."""

    contours: bool = True
    """Draw lines around objects."""

    labels: bool = True
    """Write on objects what is said of them: their numbers or scores."""

    side_by_side: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Show the picture as it was on the left of the overlay."""

    no_overlay: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Draw no overlay."""

    def style(self) -> OverlayStyle:
        """What is chosen, as `draw_overlay` takes it."""
        return OverlayStyle(
            fill_opacity=self.fill, contours=self.contours, captions=self.labels, side_by_side=self.side_by_side
        )
