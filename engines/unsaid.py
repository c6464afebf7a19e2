"""Takes words out of trained models of ours that read or write captions, as if they had never been
in the vocabulary.

    python -m engines.unsaid MODEL ...     those of captiondata.UNFIT
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from engines import checkpoint
from engines.captiondata import UNFIT

# weights that have a row for each word: those of painters, and those of captioners
ROWS = (
    "text_encoder.encoder.weight",
    "decoder.embedding.weight",
    "decoder.fc.weight",
    "decoder.fc.bias",
)


def unsay(path: Path, words: Collection[str]) -> list[str]:
    """Rewrite a file without these words; those that it knew. Raises CheckpointError."""
    opened = checkpoint.open_checkpoint(path)
    body, state = dict(opened.metadata), dict(opened.tensors())
    known: list[str] = body["config"]["vocabulary"]
    kept = [n for n, word in enumerate(known) if word not in words]
    taken = [word for word in known if word in words]
    if taken:
        for name in (name for name in ROWS if name in state):
            state[name] = state[name][kept]
        rest = {"vocabulary": [known[n] for n in kept], "words": len(kept)}
        body["config"] = {**body["config"], **rest}
        checkpoint.save(path, state, body, half=False)
    return taken


def main(argv: Sequence[str] | None = None) -> int:
    for name in sys.argv[1:] if argv is None else argv:
        taken = unsay(Path(name), UNFIT)
        print(f"{Path(name).name}: {', '.join(taken) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
