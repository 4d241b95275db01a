"""Prepares the pictures that scenes are made of: `python -m masklet.training.scenes.prepare`.

Without more it fetches freely licensed packages and prepares their cut-outs and photographs. One's own material may
take their place, or come beside them:

    --photographs DIR ...     any photographs: views of them, whose regions are found, become backgrounds and objects
    --cutouts DIR ...         pictures with transparency, PNG or WebP: objects to paste
    --masks IMAGES MASKS      pictures and masks of the same names: their objects are cut out
    --packages                the packages, too
    --regions-by MODEL        regions are found with the help of a model that was trained before, such as nano

What was prepared before is kept and not made again, so a stopped preparation goes on where it was, and material can be
added. Ctrl-C loses nothing that was done.
"""

import argparse
import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path

from masklet.training.scenes.cutouts import find_cutouts, find_labelled, prepare_cutouts
from masklet.training.scenes.packages import package_cutouts, package_photographs
from masklet.training.scenes.sources import DEFAULT_ROOT, fetch
from masklet.training.scenes.views import find_photographs, prepare_views

VIEWS = 8
"""Of a photograph."""

PROCESSES = 2


def prepare(arguments: argparse.Namespace) -> dict[str, int]:
    """Prepare what the arguments name; returns how many cut-outs of each kind, and views, were added.

    FileNotFoundError or ValueError, naming a folder or file, before anything is prepared if there is nothing in it.
    """
    root = arguments.root
    cutouts = [source for folder in arguments.cutouts for source in find_cutouts(folder)]
    cutouts += [source for images, masks in arguments.masks for source in find_labelled(images, masks)]
    photographs = [one for folder in arguments.photographs for one in find_photographs(folder, arguments.views)]
    if arguments.packages or not (cutouts or photographs):
        fetch(root)
        cutouts = itertools.chain(cutouts, package_cutouts(root))
        photographs += package_photographs(root, arguments.views)
    photographs = [replace(one, model=arguments.regions_by) for one in photographs]
    return prepare_cutouts(cutouts, root) | prepare_views(photographs, root, arguments.processes)


def main() -> int:
    """Run it from the command line; returns 1 where something was wrong."""
    try:
        print(json.dumps(prepare(_parser().parse_args())))
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what was done is kept, and the same command goes on from there", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folders = {"type": Path, "nargs": "+", "default": [], "metavar": "DIR"}
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder to prepare in, %(default)s by default")
    parser.add_argument("--photographs", **folders, help="folders of photographs")
    parser.add_argument("--cutouts", **folders, help="folders of pictures with transparency")
    parser.add_argument(
        "--masks",
        type=Path,
        nargs=2,
        action="append",
        default=[],
        metavar=("IMAGES", "MASKS"),
        help="a folder of pictures and one of their masks; may be given again",
    )
    parser.add_argument("--packages", action="store_true", help="also fetch and prepare the freely licensed packages")
    parser.add_argument("--views", type=int, default=VIEWS, help="views of a photograph, %(default)s by default")
    parser.add_argument("--processes", type=int, default=PROCESSES, help="that find regions, %(default)s by default")
    parser.add_argument("--regions-by", metavar="MODEL", help="a trained model that is asked for regions, such as nano")
    return parser


if __name__ == "__main__":
    sys.exit(main())
