"""What git and rsync say about the entries of a tree."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from tests.view.patterns import Tree

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
needs_rsync = pytest.mark.skipif(
    shutil.which("rsync") is None, reason="rsync is not installed"
)


def run(*command: bytes | str, stdin: bytes = b"") -> bytes:
    """Run a program that finds something or nothing, and return its output."""
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    result = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
        env=environment,
    )
    assert result.returncode in (0, 1), (command, result)
    assert not result.stderr, (command, result)
    return result.stdout


class Git:
    """git, with a list of patterns that is valid for the whole of a tree."""

    def __init__(self, tree: Tree) -> None:
        self._root = tree.root
        self._excludes = Path(os.fsdecode(tree.root)) / ".git" / "info" / "exclude"
        # Without the dot in front, a colon would be magic.
        self._stdin = b"".join(b"./%b\0" % path for path in tree.is_dir)
        run("git", "init", "-q", tree.root)

    def verdicts(self, patterns: Iterable[bytes]) -> dict[bytes, tuple[bool, str] | None]:
        """Return, by path, whether it is excluded, and which line of the list says so.

        What is in an excluded directory has the verdict of that directory.
        """
        self._excludes.write_bytes(b"".join(pattern + b"\n" for pattern in patterns))
        options = ("--stdin", "-z", "-v", "-n", "--no-index")
        command = ("git", "-C", self._root, "check-ignore", *options)
        fields = run(*command, stdin=self._stdin).split(b"\0")
        return {
            path.removeprefix(b"./"): (
                (not pattern.startswith(b"!"), line.decode()) if line else None
            )
            for line, pattern, path in zip(fields[1::4], fields[2::4], fields[3::4])
        }


class Rsync:
    """rsync, which would copy a tree."""

    def __init__(self, tree: Tree, scratch: Path) -> None:
        self._tree = tree
        self._matches: dict[bytes, set[bytes]] = {}
        self._rules = scratch / "rules"
        self._paths = scratch / "paths"
        self._paths.write_bytes(b"".join(b"./%b\0" % path for path in tree.is_dir))
        self._ends = (tree.root + b"/", os.fsencode(scratch / "nowhere") + b"/")

    def _list(self, *options: str | bytes) -> set[bytes]:
        command = ("rsync", "--dry-run", "--out-format=%n", *options, *self._ends)
        lines = run(*command).removesuffix(b"\n").split(b"\n")
        unescaped = [
            re.sub(rb"\\#([0-7]{3})", lambda m: bytes([int(m[1], 8)]), line)
            for line in lines
        ]
        return {line.removesuffix(b"/") for line in unescaped} & {*self._tree.is_dir}

    def shown(self, rules: Sequence[bytes]) -> set[bytes]:
        """Return what would be copied."""
        self._rules.write_bytes(b"".join(rule + b"\n" for rule in rules))
        return self._list("--recursive", f"--filter=merge {self._rules}")

    def matches(self, pattern: bytes) -> set[bytes]:
        """Return which paths a pattern matches, whatever is above them."""
        if pattern not in self._matches:
            paths = f"--files-from={self._paths}"
            options = ("--from0", paths, "--dirs", "--no-implied-dirs")
            others = self._list(*options, b"--filter=- " + pattern)
            self._matches[pattern] = {*self._tree.is_dir} - others
        return self._matches[pattern]
