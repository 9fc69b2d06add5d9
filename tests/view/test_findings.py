"""Findings: one line each, in which no name can do harm to a terminal."""

import logging
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcrypt.view.findings import Finding, Kind, log_finding, printable

paths = st.binary(max_size=60).filter(lambda path: b"\0" not in path)


def finding(
    cipher_path: bytes = b"cipher/path",
    plain_path: bytes | None = b"plain/path",
    *,
    offset: int | None = None,
    is_healed: bool = False,
) -> Finding:
    return Finding(
        kind=Kind.CONTENT,
        cipher_path=cipher_path,
        plain_path=plain_path,
        text="it is broken",
        offset=offset,
        is_healed=is_healed,
    )


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (finding(), "plain/path (cipher/path): it is broken"),
        (finding(offset=0), "plain/path (cipher/path) at byte 0: it is broken"),
        (finding(is_healed=True), "plain/path (cipher/path): it is broken; put right"),
        (finding(plain_path=None), "cipher/path: it is broken"),
        (finding(b"same", b"same"), "same: it is broken"),
        (finding(b"", b"plain"), "plain: it is broken"),
        (finding(b"", b""), "the root: it is broken"),
        (finding(b"", None), "the root: it is broken"),
        (finding(b"a\nb", b"\x1b[2J"), "\\x1b[2J (a\\x0ab): it is broken"),
    ],
)
def test_lines(found: Finding, line: str) -> None:
    """A finding names what it is about, where it is known, and where in it."""
    assert str(found) == line


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"with blanks and (signs)", "with blanks and (signs)"),
        ("gr\u00fc\u00dfe \u4e16".encode(), "gr\u00fc\u00dfe \u4e16"),
        (b"new\nline\ttab\rback", "new\\x0aline\\x09tab\\x0dback"),
        (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        (b"latin \xe9", "latin \\xe9"),
        ("\u202egnp.exe".encode(), "\\xe2\\x80\\xaegnp.exe"),
        ("\u00a0\u2028".encode(), "\\xc2\\xa0\\xe2\\x80\\xa8"),
        (b"\x7f\xc2\x9b1m", "\\x7f\\xc2\\x9b1m"),
    ],
)
def test_what_is_escaped(path: bytes, shown: str) -> None:
    """What is no character to print is shown by its bytes; all others as they are."""
    assert printable(path) == shown


@given(paths, paths)
def test_any_name_gives_one_printable_line(plain: bytes, cipher: bytes) -> None:
    """Whatever names a backup has, a finding is one line that any terminal can show."""
    line = str(finding(cipher, plain))
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    line.encode()


@given(paths)
def test_what_can_be_printed_is_shown_as_it_is(path: bytes) -> None:
    """Names of letters are not touched."""
    text = os.fsdecode(path)
    assert (printable(path) == text) == text.isprintable()


def test_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A mount warns of each finding."""
    with caplog.at_level(logging.DEBUG):
        log_finding(finding())
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == str(finding())


def test_kinds_are_for_scripts() -> None:
    """The words for kinds are part of what scripts rely on."""
    words = (
        "content header size name name-file duplicate diriv link xattr misplaced "
        "unreadable missing extra type different outdated metadata withheld destination"
    )
    assert set(words.split()) <= {kind.value for kind in Kind}
