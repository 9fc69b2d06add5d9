"""`revcrypt path`: which encrypted path a plain one has, and the other way round."""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from revcrypt.errors import ExitCode
from revcrypt.format.volume import Volume
from revcrypt.rescue import paths
from tests.cli.refusals import checked
from tests.cli.rescuing import BUFFERED, CONFIG, REVERSE_CONFIG, Case, rescue
from tests.support import KEY, PASSPHRASE, REVCRYPT
from tests.view.trees import (
    ALL_FEATURES,
    DETERMINISTIC,
    PLAINTEXT,
    at,
    reverse_view,
)

LONG = "L" * 176
DIR, SUB = "E0rbsoIUrhlVt55JEJ2UIA", "MjuJW2DI_aPGhyLFmC24RQ"
LONG_ENTRY = "gocryptfs.longname.qF68nyhu0f4otrf71flV1L7wklkZVm1l4yDdQZFj9MA"
ACCENTS = "gocryptfs.longname.LmwRgN5SYM3Ji1mfgnhrkqe31WbaYw1DPRX8KAs3hdY"
VECTORS = {
    "hello.txt": "F8rwmoCL-WWYHyKmxirgkg",
    "five": "q4qCOD-XzyCAWhMd9pWDMw",
    "sixteen-bytes-nm": "uCmKM2cFZJ6HfqUU44smqX-nYz91gzbO70ivqkoN4N4",
    "dir": DIR,
    "dir/sub": f"{DIR}/{SUB}",
    "dir/sub/file": f"{DIR}/{SUB}/rp82j1vSVWEaPII93V61XQ",
    "lnk": "VxHLayymGaFEl8UXN4yOrw",
    "dir/link": f"{DIR}/o_v9EWFVqqek5wDnfDLUFg",
    LONG: LONG_ENTRY,
    f"dir/{'é' * 100}": f"{DIR}/{ACCENTS}",
    REVERSE_CONFIG: CONFIG,
    "": "",
}
"""Format specification, sections 4.6, 4.9 and 5.2."""
SHORT = {plain: cipher for plain, cipher in VECTORS.items() if "longname" not in cipher}

names = st.binary(min_size=1, max_size=255).filter(
    lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..")
)
# Those two are one file of the view, and an entry that gives way to it.
plain_paths = st.lists(names, min_size=1, max_size=5).filter(
    lambda path: path[0] not in (CONFIG.encode(), REVERSE_CONFIG.encode())
)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A copy of an empty view."""
    case = Case(tmp_path)
    case.pull()
    return case


@pytest.fixture(params=["plain", "copy"])
def directory(request: pytest.FixtureRequest, case: Case) -> Path:
    """The plain tree, or the copy of its view."""
    path: Path = getattr(case, request.param)
    return path


# What need not exist


def test_vectors(case: Case, directory: Path) -> None:
    """Nothing but the path is needed to say how it is encrypted."""
    for key in (case.masterkey, case.passphrase):
        said = rescue("path", "encrypt", key, directory, *VECTORS)
        assert said.lines == [os.fsencode(cipher) for cipher in VECTORS.values()]
        assert said.stderr == ""


def test_vectors_backwards(case: Case) -> None:
    """For the tree itself, short names are decrypted whether they exist or not."""
    said = rescue("path", "decrypt", case.masterkey, case.plain, *SHORT.values())
    assert said.lines == [os.fsencode(plain) for plain in SHORT]


def test_deterministic_vector(tmp_path: Path) -> None:
    """Where names are deterministic, so are the paths."""
    case = Case(tmp_path, DETERMINISTIC)
    encrypted = "tcj2asXr3fBgkyar5-PgnQ/F3tyDQFBJtlUXm3YdOGx3A/UqUh-nQD5g6834y9A0xGwg"
    words = (case.masterkey, case.plain)
    said = rescue("path", "encrypt", *words, "dir/sub/file")
    assert said.lines == [encrypted.encode()]
    assert rescue("path", "decrypt", *words, encrypted).lines == [b"dir/sub/file"]


def test_plaintext_names(tmp_path: Path) -> None:
    """Where names are plain, a path is itself, but for the config's."""
    case = Case(tmp_path, PLAINTEXT)
    words = (case.masterkey, case.plain)
    assert rescue("path", "encrypt", *words, "a/b", REVERSE_CONFIG).lines == [
        b"a/b",
        CONFIG.encode(),
    ]
    assert rescue("path", "decrypt", *words, "a/b", CONFIG).lines == [
        b"a/b",
        REVERSE_CONFIG.encode(),
    ]


def test_config_elsewhere(case: Case, tmp_path: Path) -> None:
    """A plain tree whose config is elsewhere is told by the config."""
    config = tmp_path / "elsewhere.conf"
    (case.plain / REVERSE_CONFIG).rename(config)
    words = ("path", "encrypt", f"--config={config}", case.masterkey, case.plain)
    assert rescue(*words, "dir/sub").lines == [f"{DIR}/{SUB}".encode()]


def test_paths_are_cleaned(case: Case, directory: Path) -> None:
    """Paths may be written as a shell completes them."""
    words = ("path", "encrypt", case.masterkey, directory)
    said = rescue(*words, "/dir//sub/", "./dir/./sub", "/")
    assert said.lines == [f"{DIR}/{SUB}".encode()] * 2 + [b""]


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(path=plain_paths.map(b"/".join))
@pytest.mark.parametrize("mode", ALL_FEATURES)
def test_like_the_view(mode: str, path: bytes, tmp_path: Path) -> None:
    """What is computed is what the view shows, for any name; and back again."""
    features = ALL_FEATURES[mode]
    volume = Volume.open(KEY, features)
    with TemporaryDirectory(dir=tmp_path) as root:
        make(root, path)
        with reverse_view(Path(root), features) as view:
            shown = view.cipher_path(at(view, path))
            assert paths.encrypt(volume, path) == shown
            assert paths.decrypt(view, volume, shown) == path


def make(root: str, path: bytes) -> None:
    """Make a file with all directories above it; the path may be over-long."""
    *directories, name = path.split(b"/")
    fd = os.open(root, os.O_PATH)
    for directory in directories:
        os.mkdir(directory, dir_fd=fd)
        below = os.open(directory, os.O_PATH, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open(name, os.O_CREAT, 0o600, dir_fd=fd))
    os.close(fd)


# Errors


@pytest.mark.parametrize("directory", ["plain", "copy"])
def test_what_is_no_name(directory: str, tmp_path: Path) -> None:
    """Foreign names, hashes of nothing and files of the view have no plain path."""
    case = Case(tmp_path)
    (case.plain / LONG).touch()
    case.pull()
    entry = case.cipher(LONG).name
    bad = [
        "not base64!",
        "A" * 22,
        f"{entry}.name",
        "gocryptfs.diriv",
        "gocryptfs.longname." + "A" * 43,
        f"{DIR}/gocryptfs.longname." + "A" * 43,
    ]
    words = ("path", "decrypt", case.masterkey, getattr(case, directory))
    said = rescue(*words, *bad, entry, status=ExitCode.FINDINGS)
    assert said.lines == [LONG.encode()]
    lines = said.stderr.splitlines()
    assert [line.split(": ")[2] for line in lines] == bad


def test_no_directory(tmp_path: Path) -> None:
    """A directory that is not there is refused before any key is read."""
    words = ("path", "encrypt", "--passfile=/missing", tmp_path / "missing", "a")
    assert "does not exist" in checked(rescue(*words, status=ExitCode.SOURCE).stderr)


# From stdin


def test_stdin(case: Case, directory: Path) -> None:
    """Without paths, they are read from stdin, one a line, even without its end."""
    words = ("path", "encrypt", case.masterkey, directory)
    said = rescue(*words, stdin=b"dir\nbad/../path\ndir/sub", status=ExitCode.FINDINGS)
    assert said.lines == [DIR.encode(), f"{DIR}/{SUB}".encode()]
    assert rescue(*words, stdin=b"").stdout == b""


def test_coprocess(case: Case) -> None:
    """Another program gets an answer before it asks the next question."""
    words = [*REVCRYPT, "path", "encrypt", case.masterkey, str(case.plain)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=BUFFERED
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for plain, cipher in SHORT.items():
            process.stdin.write(plain.encode() + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == cipher.encode() + b"\n"
        process.stdin.close()
        assert process.wait(30) == ExitCode.OK


def test_passphrase_and_paths_from_stdin(tmp_path: Path) -> None:
    """What follows the line of the passphrase is paths, also if all comes at once."""
    case = Case(tmp_path)
    (case.plain / "file").touch()
    case.pull()
    given = f"{PASSPHRASE}\nfile\n".encode()
    said = rescue("path", "encrypt", case.copy, stdin=given)
    assert said.lines == [case.cipher("file").name.encode()]
