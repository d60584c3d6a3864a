"""The command line: arguments, progress, messages and exit codes. It computes nothing."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

# What the machine refuses is no defect of ours: it is said in one line, without a traceback.
_OF_THE_MACHINE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG, errno.EADDRINUSE}
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave by ``SystemExit``.

    A user's mistake prints its message and exits with the code of its error; Ctrl-C exits with 130.
    ``arguments`` are those of the process where not given.
    """
    from commensal.cli.app import app
    from commensal.errors import CommensalError

    try:
        app(args=arguments, prog_name="commensal")
    except CommensalError as error:
        _leave(str(error), error.exit_code)
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            raise
        _leave(f"{error.filename or 'this machine'}: {error.strerror}", 2)


def _leave(message: str, code: int) -> None:
    sys.stderr.write(f"commensal: {message}\n")
    sys.exit(code)
