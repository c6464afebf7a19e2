"""`ganvas` opens the studio; `ganvas models|inspect|run|batch|edges|prepare|train|convert` works
without a window."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and not arguments[0].startswith("-"):
        from engines import cli

        if arguments[0] in cli.COMMANDS:
            return cli.main(arguments)
    if arguments and arguments[0] in ("-h", "--help", "--version"):
        from engines import cli

        return cli.main(arguments)
    import app

    return app.start(arguments)


if __name__ == "__main__":
    sys.exit(main())
