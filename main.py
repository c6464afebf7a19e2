"""`ganvas` opens the studio; `ganvas models|inspect|run|batch|edges|prepare|train|convert` works
without a window."""

from __future__ import annotations

import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and _is_command(arguments[0]):
        from engines import cli

        return cli.main(arguments)
    import app

    return app.start(arguments)


def _is_command(word: str) -> bool:
    """Whether `word` is for the command line; what is neither a command nor a file is mistyped."""
    if word.startswith("-"):
        return word in ("-h", "--help", "--version")
    from engines.cli import COMMANDS

    return word in COMMANDS or not Path(word).exists()


if __name__ == "__main__":
    sys.exit(main())
