"""Fetch a weights file: mirrors in turn, broken downloads resumed, the sha256 checked, the file
whole or absent."""

from __future__ import annotations

import errno
import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from engines.job import Progress

CHUNK = 1 << 18
TIMEOUT = 20.0  # seconds without a byte


class DownloadError(OSError):
    """No mirror gave the file; the message is one sentence."""


def fetch(urls: Sequence[str], sha256: str, target: Path) -> Iterator[Progress]:
    """Yield Progress in bytes while the file comes; when it ends `target` is there and has that
    sha256 (hex).

    What came of an earlier try waits in `target`.part and is gone on from. Closing the generator
    keeps it. Raises DownloadError.
    """
    if not urls:
        raise DownloadError(
            f"It is not known where {target.name} can be downloaded; open the file from disk."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    reasons = []
    for url in urls:
        came, reason = False, ""
        for _ in range(3):
            try:
                yield from _pull(url, part)
                came = True
                break
            except (
                urllib.error.URLError,
                http.client.HTTPException,
                ConnectionError,
                TimeoutError,
            ) as error:
                reason = _reason(error)
                if isinstance(error, urllib.error.HTTPError):
                    break
            except OSError as error:
                raise DownloadError(_disk(error, target)) from error
        if not came:
            reasons.append(reason)
            continue
        if not sha256 or _sha256(part) == sha256:
            part.replace(target)
            return
        part.unlink()
        reasons.append("the file that came is not the one that was promised")
    raise DownloadError(
        f"{target.name} could not be downloaded: {'; '.join(dict.fromkeys(reasons))}."
    )


def _pull(url: str, part: Path) -> Iterator[Progress]:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing beyond what we have
            return
        raise
    with answer:
        resumed = answer.status == 206
        length = int(answer.headers.get("Content-Length") or 0)
        have = have if resumed else 0
        total = have + length if length else 0
        with part.open("ab" if resumed else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                yield Progress(have, total)
        if total and have < total:
            raise ConnectionError("the connection broke off")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code}"
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, urllib.error.URLError) and not isinstance(error.reason, ConnectionError):
        return "the server cannot be reached"
    return "the connection broke off"


def _disk(error: OSError, target: Path) -> str:
    if error.errno == errno.ENOSPC:
        return f"There is no space left for {target.name}; free some and try again."
    return f"{target.name} cannot be written in {target.parent}."
