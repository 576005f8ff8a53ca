"""``python -m gdprops``: the same as the ``gdprops`` command."""

from __future__ import annotations

import sys

from gdprops.cli import main

if __name__ == "__main__":
    sys.exit(main())
