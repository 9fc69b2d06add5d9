"""A plain file server, which reads by mmap(2) or sendfile(2), and who fetches from it.

As a program, it serves a directory on loopback: `file_server DIRECTORY PORT mmap`.
"""

import mmap
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, ClassVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

from tests.clients.client import Keeps
from tests.clients.copies import Copies
from tests.servers import free_port, server

ROOT = Path(__file__).parents[2]


class Handler(BaseHTTPRequestHandler):
    """Sends files; and for a path that ends in a slash, the names of what is there."""

    def __init__(self, directory: str, how: str, *arguments) -> None:
        self.directory, self.how = os.fsencode(directory), how
        super().__init__(*arguments)

    def do_GET(self) -> None:
        path = self.directory + unquote_to_bytes(self.path)
        if path.endswith(b"/"):
            with os.scandir(path) as entries:
                names = b"".join(map(_line, entries))
            self._begin(len(names))
            self.wfile.write(names)
        else:
            with open(path, "rb") as file:
                self._send(file, os.fstat(file.fileno()).st_size)

    def _begin(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def _send(self, file: BinaryIO, size: int) -> None:
        self._begin(size)
        if self.how == "sendfile":
            self.connection.sendfile(file)
        elif size:
            with mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as content:
                self.wfile.write(content)

    def log_message(self, *_) -> None:
        """Keep quiet."""


def _line(entry: "os.DirEntry[bytes]") -> bytes:
    if entry.is_symlink():
        return b""
    kind = "/" if entry.is_dir() else ""
    return f"{quote_from_bytes(entry.name)}{kind}\n".encode()


class FileServer(Copies):
    """Fetches everything, over HTTP."""

    package = None
    how: ClassVar[str]
    keeps = Keeps(
        times=0,
        modes=False,
        owners=False,
        directory_times=False,
        symlinks=False,
        hard_links=False,
        xattrs=False,
    )

    @contextmanager
    def running(self) -> Iterator[None]:
        port = free_port()
        self._address = f"http://127.0.0.1:{port}"
        program = ["env", "-C", ROOT, sys.executable, "-m", __name__]
        # Not the mountpoint itself: who has that as an argument is taken for its daemon.
        directory = f"{self.view}/."
        with server(*program, directory, str(port), self.how, port=port):
            yield

    def copy_to(self, copy: Path) -> None:
        self._fetch_below("/", copy)

    def _fetch_below(self, path: str, directory: Path) -> None:
        for name in self._get(path).decode().splitlines():
            to = directory / os.fsdecode(unquote_to_bytes(name))
            if name.endswith("/"):
                to.mkdir()
                self._fetch_below(path + name, to)
            else:
                to.write_bytes(self._get(path + name))

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self._address + path) as answer:
            content: bytes = answer.read()
        return content


class MmapServer(FileServer):
    """From a server that maps files."""

    how = "mmap"


class SendfileServer(FileServer):
    """From a server that lets the kernel send files."""

    how = "sendfile"


if __name__ == "__main__":
    directory, port, how = sys.argv[1:]
    address = ("127.0.0.1", int(port))
    ThreadingHTTPServer(address, partial(Handler, directory, how)).serve_forever()
