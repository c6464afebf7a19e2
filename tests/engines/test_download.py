"""Downloads against a server on the loopback interface."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engines.download import DownloadError, fetch

DATA = bytes(range(256)) * 4096
HASH = hashlib.sha256(DATA).hexdigest()


class Server(ThreadingHTTPServer):
    cut_after: int | None = None  # bytes of the next answers, then the connection closes
    cuts = 0
    asked: list[tuple[str, str | None]]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append((self.path, self.headers.get("Range")))
        if self.path == "/missing":
            self.send_error(404)
            return
        body = DATA if self.path in ("/good", "/stubborn") else b"something else" * 100
        begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        begin = 0 if self.path == "/stubborn" else begin
        if begin >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        part = body[begin:]
        if server.cuts > 0:
            server.cuts -= 1
            part = part[: server.cut_after]
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def url(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def test_a_file_comes_whole_with_progress(server: Server, tmp_path: Path) -> None:
    steps = list(fetch([url(server, "/good")], HASH, tmp_path / "deep" / "w.pth"))
    assert (tmp_path / "deep" / "w.pth").read_bytes() == DATA
    assert steps[-1].done == steps[-1].total == len(DATA)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["w.pth"]


def test_a_broken_connection_is_gone_on_from(server: Server, tmp_path: Path) -> None:
    server.cut_after, server.cuts = 300_000, 1
    list(fetch([url(server, "/good")], HASH, tmp_path / "w.pth"))
    assert (tmp_path / "w.pth").read_bytes() == DATA
    assert server.asked == [("/good", None), ("/good", "bytes=300000-")]


def test_closing_keeps_what_came_and_a_later_try_goes_on(server: Server, tmp_path: Path) -> None:
    running = fetch([url(server, "/good")], HASH, tmp_path / "w.pth")
    have = next(running).done
    running.close()
    assert not (tmp_path / "w.pth").exists() and (tmp_path / "w.pth.part").stat().st_size == have
    list(fetch([url(server, "/good")], HASH, tmp_path / "w.pth"))
    assert (tmp_path / "w.pth").read_bytes() == DATA
    assert server.asked[-1][1] == f"bytes={have}-"


def test_a_part_of_another_file_is_begun_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "w.pth.part").write_bytes(b"an older version" * 100)
    list(fetch([url(server, "/good")], HASH, tmp_path / "w.pth"))
    assert (tmp_path / "w.pth").read_bytes() == DATA
    assert [range_ for _, range_ in server.asked] == ["bytes=1600-", None]


def test_a_part_that_is_whole_is_only_checked(server: Server, tmp_path: Path) -> None:
    (tmp_path / "w.pth.part").write_bytes(DATA)
    list(fetch([url(server, "/good")], HASH, tmp_path / "w.pth"))
    assert (tmp_path / "w.pth").read_bytes() == DATA and len(server.asked) == 1


def test_a_server_that_does_not_resume_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "w.pth.part").write_bytes(b"x" * 1000)
    list(fetch([url(server, "/stubborn")], HASH, tmp_path / "w.pth"))
    assert (tmp_path / "w.pth").read_bytes() == DATA


def test_a_wrong_file_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not the one that was promised"):
        list(fetch([url(server, "/other")], HASH, tmp_path / "w.pth"))
    assert len(server.asked) == 1 and list(tmp_path.iterdir()) == []


def test_the_next_mirror_is_tried(server: Server, tmp_path: Path) -> None:
    urls = [url(server, "/missing"), url(server, "/other"), url(server, "/good")]
    list(fetch(urls, HASH, tmp_path / "w.pth"))
    assert (tmp_path / "w.pth").read_bytes() == DATA


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["/missing"], "the server answers 404"),
        (["/other"], "not the one that was promised"),
        ([], "not known where"),
    ],
)
def test_when_no_mirror_helps_it_is_said_and_nothing_is_left(
    server: Server, tmp_path: Path, paths: list[str], words: str
) -> None:
    with pytest.raises(DownloadError, match=words):
        list(fetch([url(server, p) for p in paths], HASH, tmp_path / "w.pth"))
    assert not (tmp_path / "w.pth").exists()


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"connection broke off|cannot be reached"):
        list(fetch(["http://127.0.0.1:9/w"], HASH, tmp_path / "w.pth"))


def test_a_full_disk_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DownloadError, match=r"no space left for w.pth"):
        list(fetch([url(server, "/good")], HASH, tmp_path / "w.pth"))


def test_what_would_fill_the_disk_is_not_begun(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match=r"needs 1 MB and 0 MB are free"):
        list(fetch([url(server, "/good")], HASH, tmp_path / "w.pth"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where a folder should be")
    with pytest.raises(DownloadError, match=r"w.pth cannot be written in .*models"):
        list(fetch([url(server, "/good")], HASH, tmp_path / "models" / "w.pth"))


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="the address is none"):
        list(fetch(["models/w.pth"], HASH, tmp_path / "w.pth"))
