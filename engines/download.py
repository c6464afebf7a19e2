"""Fetch a weights file: mirrors in turn, broken downloads resumed, the sha256 checked, the file
whole or absent."""

from __future__ import annotations

import errno
import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from engines.job import Progress

CHUNK = 1 << 18
TIMEOUT = 20.0  # seconds without a byte
TRIES = 3  # of one mirror, each going on where the last one broke off
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NETWORK = (OSError, http.client.HTTPException, ValueError)  # ValueError: an address that is none

T = TypeVar("T")


class DownloadError(OSError):
    """No mirror gave the file, or it cannot be written; the message is one sentence."""


class _WrongFile(OSError):
    """What came is not what was promised."""


def fetch(urls: Sequence[str], sha256: str, target: Path) -> Iterator[Progress]:
    """Yield Progress in bytes while the file comes; when it ends `target` is there and has that
    sha256 (hex; its beginning, where its publisher tells no more).

    What came of an earlier try waits in `target`.part and is gone on from. Closing the generator
    keeps it. Raises DownloadError.
    """
    if not urls:
        raise DownloadError(
            f"It is not known where {target.name} can be downloaded; open the file from disk."
        )
    part = target.with_name(target.name + ".part")
    reasons = []
    for url in urls:
        for left in reversed(range(TRIES)):
            went_on = part.exists()
            try:
                yield from _pull(url, part, target)
                _check(part, sha256)
                _on_disk(target, lambda: part.replace(target))
                return
            except DownloadError:
                raise
            except _NETWORK as error:
                if left and _may_help_to_try_again(error, went_on):
                    continue
                reasons.append(_reason(error))
                break
    raise DownloadError(
        f"{target.name} could not be downloaded: {'; '.join(dict.fromkeys(reasons))}."
    )


def _pull(url: str, part: Path, target: Path) -> Iterator[Progress]:
    """Append to `part` what it lacks, or begin anew where the server does not resume."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing beyond what we have
            return
        raise
    with answer:
        is_resumed = answer.status == 206
        have = have if is_resumed else 0
        length = int(answer.headers.get("Content-Length") or 0)
        total = have + length if length else 0
        _make_room(length, target)
        with _on_disk(target, lambda: part.open("ab" if is_resumed else "wb")) as file:
            while chunk := answer.read(CHUNK):
                _on_disk(target, lambda chunk=chunk: (file.write(chunk), file.flush()))
                have += len(chunk)
                yield Progress(have, total)
        if have < total:
            raise ConnectionError("the connection broke off")


def _check(part: Path, sha256: str) -> None:
    """A part that goes on from another file is thrown away, so that the next try begins anew."""
    if not sha256:
        return
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(sha256):
        part.unlink()
        raise _WrongFile("the file that came is not the one that was promised")


def _may_help_to_try_again(error: Exception, went_on: bool) -> bool:
    if isinstance(error, _WrongFile):
        return went_on
    return not isinstance(error, urllib.error.HTTPError | ValueError)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code}"
    if isinstance(error, _WrongFile):
        return str(error)
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, urllib.error.URLError) and not isinstance(error.reason, ConnectionError):
        return "the server cannot be reached"
    if isinstance(error, ValueError):
        return "the address is none"
    return "the connection broke off"


# ---- the disk ------------------------------------------------------------------------------------


def _on_disk(target: Path, do: Callable[[], T]) -> T:
    """`do` something with a file, its failure told in a sentence."""
    try:
        return do()
    except OSError as error:
        raise DownloadError(_disk(error, target)) from error


def _make_room(length: int, target: Path) -> None:
    """Refuse before the first byte what would fill the disk."""
    _on_disk(target, lambda: target.parent.mkdir(parents=True, exist_ok=True))
    free = shutil.disk_usage(target.parent).free
    if length > free:
        raise DownloadError(
            f"There is no space left for {target.name}: it needs {length / 1e6:.0f} MB and "
            f"{free / 1e6:.0f} MB are free."
        )


def _disk(error: OSError, target: Path) -> str:
    if error.errno in _FULL:
        return f"There is no space left for {target.name}; free some and try again."
    return f"{target.name} cannot be written in {target.parent}."
