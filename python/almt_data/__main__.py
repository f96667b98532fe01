"""The `almt-data` program: `python -m almt_data`, or the installed script."""

from __future__ import annotations

import signal
import sys

from almt_data import _native


def main() -> int:
    """Runs the command line on the process's arguments, and returns its exit code."""
    # Python would notice Ctrl-C only after the command.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
