"""How revcrypt refuses: with an exit status, and in one or two lines on stderr."""

from pathlib import Path

from revcrypt.errors import ExitCode
from tests.support import PASSPHRASE, revcrypt


def refused(code: ExitCode, *arguments: str | Path, stdin: str = PASSPHRASE) -> str:
    """Run revcrypt, which must refuse with *code*; return what it said."""
    result = revcrypt(*arguments, status=code, stdin=stdin)
    assert result.stdout == ""
    return checked(result.stderr)


def checked(stderr: str) -> str:
    """Return *stderr*, which must be one error line and at most one hint line."""
    lines = stderr.splitlines()
    kinds = [line.split(": ", 2)[:2] for line in lines]
    expected = [["revcrypt", "error"], ["revcrypt", "hint"]]
    assert kinds in (expected[:1], expected), stderr
    for line in lines:
        text = line.split(": ", 2)[2]
        assert text, stderr
        assert not text[0].isupper(), stderr
    return stderr
