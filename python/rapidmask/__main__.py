"""``python -m rapidmask``: the command."""

import sys

from .cli import main

sys.exit(main())
