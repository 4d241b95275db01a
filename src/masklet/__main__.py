"""`python -m masklet` is the program `masklet`."""

import sys

from masklet.cli.main import main

sys.exit(main())
