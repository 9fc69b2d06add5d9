"""The formats in which both programs write, and a directory of gocryptfs in each."""

from pathlib import Path

from tests.mount.big_tree import LONGEST_LINK_TARGET, build
from tests.support import Mounts, run

# The whole tree once; the part of it that is about names, links and so on otherwise.
NAME_OPTIONS = {
    "default": ([], 4300),
    "plaintext": (["--plaintext-names"], 50),
    "deterministic": (["--deterministic-names"], 50),
    "long-name-max": (["--long-name-max=100"], 50),
}

FORWARD_OPTIONS = {
    "default": [],
    "xchacha": ["-xchacha"],
    "aessiv": ["-aessiv"],
    "plaintextnames": ["-plaintextnames"],
    "deterministic-names": ["-deterministic-names"],
    "longnamemax": ["-longnamemax=100"],
}


def write_forward(
    name: str, mounts: Mounts, directory: Path, files: int
) -> tuple[Path, Path]:
    """Write a tree through a mount of gocryptfs, made with `FORWARD_OPTIONS[name]`.

    Returns the plain tree and the encrypted directory.
    """
    source, cipher = directory / "source", directory / "cipher"
    source.mkdir()
    cipher.mkdir()
    build(
        source,
        files=files,
        depth=10,
        # The longer nonces of this cipher leave less room.
        longest_target=LONGEST_LINK_TARGET - (8 if name == "xchacha" else 0),
        plaintext_names=name == "plaintextnames",
    )
    passfile = f"--passfile={mounts.passfile}"
    options = FORWARD_OPTIONS[name]
    run("gocryptfs", "-init", "-q", "-scryptn=10", passfile, *options, cipher)
    writable = mounts.gocryptfs(cipher, "writable")
    # Without --inplace, rsync's temporary files would have names that are too long.
    run("rsync", "-aHAX", "--inplace", f"{source}/", writable)
    mounts.unmount(writable)
    return source, cipher
