"""Entry point of the commands `shadow` and `shadow-monitor`."""

import sys

from shadow.cli import main as group
from shadow.errors import ConfigurationError, ShadowError, UnreachableError


def main() -> None:
    """Runs a command; errors raised on purpose become a message and an exit code, never a traceback."""
    try:
        group(prog_name="shadow")
    except ConfigurationError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        sys.exit(2)
    except UnreachableError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(3)
    except ShadowError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(3)


if __name__ == "__main__":
    main()
