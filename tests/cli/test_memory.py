"""What can be seen of a process that holds keys: nothing, but by root."""

import codecs
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from errno import EACCES
from pathlib import Path

import pytest

from revcrypt.cli import configs
from revcrypt.cli.configs import Key
from revcrypt.cli.main import main, make_parser
from revcrypt.cli.secrets import read_master_key, read_private_key
from revcrypt.errors import ExitCode
from revcrypt.format import config as config_format
from revcrypt.format.config import Features
from revcrypt.format.keys import ScryptParams
from revcrypt.format.volume import Volume
from tests.certificates import person as somebody
from tests.cli.rescuing import Case, attempt, make_config
from tests.mount.people import person, read
from tests.support import (
    KEY,
    PASSPHRASE,
    REVCRYPT,
    Mounts,
    daemons,
    run,
    wait_for_mount,
)

# Nobody may be unable to read where Python is.
codecs.lookup("ascii")
make_parser()
NOBODY = 65534
NAME = "a name that nobody is to see"
SECRETS = [
    PASSPHRASE.encode(),
    KEY,
    KEY.hex().encode(),
    KEY.hex()[:8].encode() + b"-",
    NAME.encode(),
]
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others"),
]


@pytest.fixture
def dumps_here() -> Iterator[None]:
    """Have cores in the current directory of a process, whatever the system does."""
    before = CORE_PATTERN.read_text()
    if before.strip() == "core":
        yield
        return
    CORE_PATTERN.write_text("core")
    try:
        yield
    finally:
        CORE_PATTERN.write_text(before)


@pytest.fixture
def case(public: Path) -> Case:
    """A tree that belongs to an ordinary user, as do the files that open it."""
    case = Case(public)
    (case.plain / NAME).write_text("content")
    case.pull()
    own(public)
    return case


def own(directory: Path) -> None:
    """Give everything to nobody."""
    for path in [directory, *directory.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def start(words: list[str]) -> tuple[int, int]:
    """Run revcrypt in a fork up to its first line; return its id, and what ends it."""
    (stdin, question), (answer, stdout) = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.close(question)
        with open(0, closefd=False) as sys.stdin, open(1, "w") as sys.stdout:
            os._exit(main(words))
    os.close(stdin)
    os.close(stdout)
    os.write(question, b"a path\n")
    assert os.read(answer, 100)
    os.close(answer)
    return pid, question


def stop(pid: int, question: int) -> int:
    """End what `start` has started, and return its exit status."""
    os.close(question)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def sleep() -> int:
    """Start a process that does nothing, and return its id."""
    return subprocess.Popen(["sleep", "600"]).pid


def test_ordinary_users_can_work(case: Case) -> None:
    """What looks at itself in /proc still can: restoring, in several processes too."""
    dest = case.directory / "dest"
    words = ("restore", "-q", "-j2", case.passphrase, case.copy, dest)
    with person(case.directory, NOBODY, NOBODY) as nobody:
        assert nobody.ask(attempt, *words) == (0, (b"", ""))
        assert (dest / NAME).read_text() == "content"
        words = ("verify", "-j2", case.passphrase, f"--against={case.plain}", case.copy)
        status, said = nobody.ask(attempt, *words)
        assert status == 0, said


def test_nobody_else_looks_in(case: Case) -> None:
    """Not even other processes of the same user, as with others of his."""
    words = ["path", "encrypt", case.passphrase, str(case.plain)]
    with (
        person(case.directory, NOBODY, NOBODY) as nobody,
        person(case.directory, NOBODY, NOBODY) as other,
    ):
        (pid, question), asleep = nobody.ask(start, words), other.ask(sleep)
        try:
            for file in ("environ", "maps", "mem", "fd/0"):
                assert other.errno(read, f"/proc/{pid}/{file}") == EACCES
            other.ask(read, f"/proc/{asleep}/maps")
        finally:
            os.kill(asleep, signal.SIGKILL)
            assert nobody.ask(stop, pid, question) == 0


@pytest.mark.usefixtures("dumps_here")
def test_nothing_is_told(mounts: Mounts, tmp_path: Path) -> None:
    """No command line, environment, log or core dump has a secret or a plain name."""
    case = Case(tmp_path)
    (case.plain / NAME).write_text("content")
    view = mounts.mountpoint("view")
    place, log = tmp_path / "place", tmp_path / "log"
    place.mkdir()
    read_fd, write_fd = os.pipe()
    os.write(write_fd, PASSPHRASE.encode() + b"\n")
    os.close(write_fd)
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [*REVCRYPT, "reverse", "-f", f"--passphrase-fd={read_fd}", case.plain, view],
            cwd=place,
            env=os.environ | {"PYTHONPATH": os.getcwd()},
            stderr=file,
            pass_fds=[read_fd],
            preexec_fn=unlimited,
        )
    os.close(read_fd)
    wait_for_mount(view, process)
    run("tar", "-cf", "/dev/null", "-C", view, ".")
    pids = daemons(view)
    assert process.pid in pids
    for pid in pids:
        for name in ("cmdline", "environ"):
            assert not told(Path(f"/proc/{pid}/{name}")), name
    assert locked(process.pid) > 1000, "root locks its keys in memory"
    process.send_signal(signal.SIGABRT)
    assert process.wait(timeout=30) == -signal.SIGABRT
    assert os.listdir(place) == []
    assert not told(log)
    # Where the same is done to others, there is a core, and it tells.
    script = f"S='{PASSPHRASE}'; kill -ABRT $$"
    other = subprocess.Popen(["sh", "-c", script], cwd=place, preexec_fn=unlimited)
    other.wait()
    [core] = place.iterdir()
    assert told(core)


USES = {
    "passphrase": lambda *_: configs.open_with(
        config_format.parse(make_config()), PASSPHRASE.encode()
    ),
    "new passphrase": lambda *_: configs.wrap(
        KEY, b"new", ScryptParams(bytes(32), 1 << 10), hkdf=True
    ),
    "master key": lambda case, _: read_master_key(str(case.directory / "keyfile")),
    "private key": lambda _, private: read_private_key(str(private)),
}


@pytest.mark.parametrize("use", USES)
def test_no_key_is_swapped(use: str, case: Case) -> None:
    """Whatever opens a key, and for whatever command, locks it in memory."""
    _, private = somebody("ada").write(case.directory)
    pid = os.fork()
    if not pid:
        before = locked()
        USES[use](case, private)
        os._exit(0 if before == 0 and locked() > 1000 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_nothing_in_tracebacks(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours that has the key at hand does not show it."""

    def broken(key: bytes, features: Features) -> None:
        raise ValueError(str(Key(key, features, is_proven=True)))

    monkeypatch.setattr(Volume, "open", broken)
    status, said = attempt("ls", case.passphrase, case.copy)
    assert status == ExitCode.OTHER
    assert "this is a bug in revcrypt" in said.stderr
    assert "ValueError: Key(Features(" in said.stderr
    for secret in (PASSPHRASE, KEY.hex(), repr(KEY)[2:-1]):
        assert secret not in said.stderr


def locked(process: int | str = "self") -> int:
    """Return how many KiB of a process are kept from the swap space."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmLck:")[1].split()[0])


def unlimited() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)


def told(path: Path) -> bool:
    """Tell whether a file that can be read holds a secret."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return any(secret in content for secret in SECRETS)
