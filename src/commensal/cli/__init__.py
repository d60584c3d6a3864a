"""The command line: arguments, progress, messages and exit codes. It computes nothing."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; a user's mistake prints its message and exits with its own code."""
    from commensal.cli.app import app
    from commensal.errors import CommensalError

    try:
        app(prog_name="commensal")
    except CommensalError as error:
        sys.stderr.write(f"commensal: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("commensal: stopped; nothing was half-written\n")
        sys.exit(130)
