"""The main job from end to end: show encrypted, pull, pull again, mount back, compare.

`make demo` runs it on a small tree of its own, `make demo DIR=/some/tree` on yours,
which is only read.
"""

import filecmp
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from stat import S_ISREG

REVCRYPT = [sys.executable, "-m", "revcrypt"]
MIB = 1 << 20


def step(text: str) -> None:
    """Announce what comes next."""
    print(f"\n* {text}", flush=True)


def run(*command: str | Path) -> str:
    """Run a program, show its command line, and return its output."""
    words = [os.fspath(word) for word in command]
    shown = ["revcrypt", *words[3:]] if words[:3] == REVCRYPT else words
    print("  $", " ".join(shown), flush=True)
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def make_tree(root: Path) -> None:
    """Make a small home directory."""
    (root / "Documents" / "2026").mkdir(parents=True)
    (root / "Documents" / "letter.txt").write_text("Dear Ada,\n\nall is well.\n")
    (root / "Documents" / "2026" / ("taxes " * 40 + ".ods")).write_bytes(b"PK" * 5000)
    (root / "Documents" / "Rechnung für März.pdf").write_bytes(os.urandom(70_000))
    (root / "latest").symlink_to("Documents/2026")
    mail = root / "mail.mbox"
    mail.write_bytes(os.urandom(16 * MIB))
    # rsync sees changes by size and time, and the time only in whole seconds.
    os.utime(mail, (1_500_000_000, 1_500_000_000))
    (root / "hard link to the mail").hardlink_to(mail)
    (root / "empty").touch()


@contextmanager
def mounted(
    direction: str, source: Path, mountpoint: str, *options: str
) -> Iterator[None]:
    """Mount a view, and unmount it whatever happens."""
    Path(mountpoint).mkdir()
    try:
        run(*REVCRYPT, direction, "--quiet", *options, source, mountpoint)
        yield
    finally:
        if os.path.ismount(mountpoint):
            run("fusermount3", "-uz", mountpoint)


def pull() -> None:
    """Pull as a backup host would, and say how many bytes moved."""
    stats = run("rsync", "-aH", "--no-whole-file", "--stats", "view/", "copy")
    for line in stats.splitlines():
        if line.startswith(("Number of regular files transferred", "Literal data")):
            print(f"    {line}")


def show(directory: str) -> None:
    """List a directory, if it is large only its beginning."""
    for line in run("ls", "-lN", directory).splitlines()[:12]:
        print(f"    {line}")


def change_one_byte(path: Path) -> None:
    """Change the byte in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0xFF]))


def files(root: Path) -> dict[Path, Path]:
    """Return all files and links below *root*, by relative path."""
    return {
        Path(directory, name).relative_to(root): Path(directory, name)
        for directory, _, names in os.walk(root)
        for name in names
    }


def compare(plain: Path, restored: Path) -> None:
    """Compare every file and link; raises `SystemExit` for the first difference."""
    before, after = files(plain), files(restored)
    if before.keys() != after.keys():
        raise SystemExit(f"names differ: {sorted(before.keys() ^ after.keys())[:5]}")
    for name, path in before.items():
        other = after[name]
        if path.is_symlink():
            same = path.readlink() == other.readlink()
        elif S_ISREG(path.stat().st_mode):
            same = filecmp.cmp(path, other, shallow=False)
        else:
            same = path.stat().st_mode == other.stat().st_mode
        if not same:
            raise SystemExit(f"{name} differs")
    print(f"    {len(before)} files and links are equal")


def demo(own_tree: Path | None) -> None:
    """Do everything below the current directory."""
    plain = own_tree or Path("home")
    Path("passphrase").touch(mode=0o600)
    Path("passphrase").write_text("correct horse battery staple\n")
    if own_tree is None:
        step("A home directory to back up")
        make_tree(plain)
        show("home")

    step("Give it a key")
    secret = ["--passfile=passphrase", "--config=config"]
    run(*REVCRYPT, "init", "--quiet", *secret, plain)

    step("Show it encrypted")
    with mounted("reverse", plain, "view", *secret):
        show("view")
        step("The backup host pulls it")
        pull()
        if own_tree is None:
            step("One byte of the mail changes, and the host pulls again")
            change_one_byte(plain / "mail.mbox")
        else:
            step("The host pulls again")
        pull()

    step("After a disaster: mount what the host has, in the other direction")
    with mounted("forward", Path("copy"), "restored", "--passfile=passphrase"):
        show("restored")
        step("Compare every file with the original")
        compare(plain, Path("restored"))


def main() -> None:
    """Run the demo in a directory of its own that does not outlive it."""
    # Let an interruption unwind everything, like an error.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    own_tree = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
    if own_tree is not None and not own_tree.is_dir():
        sys.exit(f"{own_tree} is not a directory")
    try:
        with tempfile.TemporaryDirectory(prefix="revcrypt-demo-") as work, chdir(work):
            demo(own_tree)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} failed with status {error.returncode}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
    finally:
        print("\nEverything is unmounted and removed.")


if __name__ == "__main__":
    main()
