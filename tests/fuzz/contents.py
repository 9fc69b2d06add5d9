"""Contents: headers, blocks, whole files, link targets, values of attributes."""

import os
from collections.abc import Iterator
from functools import cache
from hashlib import sha256

from revcrypt.errors import AuthenticationError, DataError, MalformedError
from revcrypt.format import header, sizes
from revcrypt.format.config import Features
from revcrypt.format.content import AesSiv, Cipher, ContentCipher
from revcrypt.format.volume import Volume
from revcrypt.view.forward_file import ForwardFile
from tests.format.test_ciphers import FILE_ID, KINDS, Kind
from tests.fuzz.target import Target, edited
from tests.rescue.sealed_files import PLAIN, Read, in_memory, read_fd, sealed
from tests.support import KEY
from tests.view.trees import fake_attrs

BLOCK = sizes.BLOCK_SIZE
FIRSTS = (0, 1, 2**32 - 1, 2**63)
PART = 64
"""Bytes; no block ends within as many."""
RUN = PLAIN[: 2 * BLOCK + 100]


def headers(data: bytes) -> None:
    try:
        file_id = header.parse(data)
    except MalformedError:
        assert len(data) != 18 or data[:2] != b"\0\2" or not any(data[2:])
    else:
        assert header.pack(file_id) == data
        assert any(file_id)
    number = int.from_bytes(data[:8])
    for overhead in (32, 40):
        assert sizes.plain_size(sizes.cipher_size(number, overhead), overhead) == number
        try:
            plain = sizes.plain_size(number, overhead)
        except MalformedError:
            continue
        assert sizes.cipher_size(plain, overhead) == number
        assert sizes.apparent_plain_size(number, overhead) == plain


@cache
def openers(kind: Kind) -> list[ContentCipher]:
    """Return all implementations of a cipher."""
    if kind.cipher is Cipher.AES_SIV:
        return [AesSiv(kind.key), AesSiv(kind.key, in_python=True)]
    return [kind.opener]


@cache
def sealed_run(kind: Kind, first: int) -> bytes:
    return kind.sealed_run(first, RUN)


def expected(kind: Kind, first: int, run: bytes, *, holes: bool) -> bytes | int:
    """Return what a run that was sealed and then changed opens to, or its bad block."""
    whole = sealed_run(kind, first)
    plain = b""
    for number, start in enumerate(range(0, len(run), kind.block)):
        block = run[start : start + kind.block]
        if block == whole[start : start + kind.block]:
            plain += RUN[number * BLOCK :][:BLOCK]
        elif holes and len(block) == kind.block and not any(block):
            plain += bytes(BLOCK)
        else:
            return first + number
    return plain


def blocks(data: bytes) -> None:
    choice = data[0] if data else 0
    kind, first = KINDS[choice % 3], FIRSTS[choice // 3 % 4]
    holes, is_raw = bool(choice & 64), bool(choice & 128)
    run = data[1:] if is_raw else edited(sealed_run(kind, first), data[1:])
    wanted = expected(kind, first, run, holes=holes)
    for opener in openers(kind):
        try:
            found: bytes | int = opener.open_run(FILE_ID, first, run, holes=holes)
        except AuthenticationError as error:
            found = int(str(error).split()[1])
        assert found == wanted


@cache
def sealed_file(kind: Kind) -> bytes:
    return sealed(RUN, kind)


def whole_files(data: bytes) -> None:
    choice, start, length = data[:3].ljust(3, b"\0")
    kind, strict = KINDS[choice % 3], bool(choice & 64)
    content = edited(sealed_file(kind), data[3:])
    with in_memory(content) as fd:
        file = ForwardFile(
            b"path",
            os.dup(fd),
            os.fstat(fd),
            cipher=openers(kind)[0],
            holes=not strict,
            attrs=lambda _: fake_attrs(1),
        )
        offset, size = start * PART, length * PART + 1
        try:
            got = bytes(file.read(offset, size, nowait=False))
            assert len(got) == max(min(size, file.size - offset), 0)
            assert_true(got, offset, strict=strict)
        except DataError:
            assert content != sealed_file(kind)
        finally:
            file.close()
        found = read_fd(fd, kind=kind, strict=strict)
    check_salvaged(found, content, kind, strict=strict)


def check_salvaged(found: Read, content: bytes, kind: Kind, *, strict: bool) -> None:
    """Check what is found in a file that has *content* by now."""
    offset = 0
    for size, piece in found.pieces:
        if piece is not None:
            assert_true(piece or bytes(size), offset, strict=strict)
        offset += size
    if content == sealed_file(kind):
        assert (found.content(), found.problems) == (RUN, [])
    elif strict and found.content() != RUN:
        assert found.problems or not content or is_cut_between_blocks(content, kind)


def assert_true(got: bytes, offset: int, *, strict: bool) -> None:
    """Check that bytes are those of the plaintext, or of a hole."""
    for at in range(0, len(got), PART):
        part = got[at : at + PART]
        right = RUN[offset + at :][: len(part)]
        assert part == right or (not strict and not any(part))


def is_cut_between_blocks(content: bytes, kind: Kind) -> bool:
    """Tell whether a file lacks blocks at its end, which nobody can see in it."""
    whole = sealed_file(kind)
    return whole.startswith(content) and (len(content) - 18) % kind.block == 0


@cache
def volumes() -> list[Volume]:
    """Return volumes of all ciphers, and of both kinds of base64."""
    return [
        Volume.open(KEY, Features(cipher=cipher, raw64=raw64))
        for cipher in Cipher
        for raw64 in (True, False)
    ]


def link_targets(data: bytes) -> None:
    for volume in volumes():
        try:
            plain = volume.open_link(data)
        except AuthenticationError:
            plain = None
        if plain is None or not isinstance(volume.content, AesSiv):
            continue
        nonce = volume.base64.decode(data)[:16]
        assert volume.seal_link(nonce, plain) == data
    volume = volumes()[2 + bool(data[:1] > b"\x7f")]
    nonce = sha256(data).digest()[:16]
    sealed_link = volume.seal_link(nonce, data)
    assert volume.open_link(sealed_link) == data
    assert volume.sealed_link_size(len(data)) == len(sealed_link)
    for at in (0, 20, -1) if data else ():
        changed = bytearray(sealed_link)
        changed[at] ^= 1
        try:
            raise AssertionError(
                f"wrong, and accepted: {volume.open_link(bytes(changed))!r}"
            )
        except AuthenticationError:
            pass


def attribute_values(data: bytes) -> None:
    for volume in volumes():
        content = volume.content
        try:
            plain = volume.open_xattr(data)
        except AuthenticationError:
            continue
        if isinstance(content, AesSiv):
            raw = data
            if data and content.seal_value(data[:16], plain) != data:
                raw = volume.base64.decode(data)
            assert content.seal_value(raw[:16], plain) == raw
    volume = volumes()[2]
    nonce = sha256(data).digest()[:16]
    assert volume.open_xattr(volume.sealer.seal_value(nonce, data)) == data


def edit_seeds() -> Iterator[bytes]:
    for choice in range(0, 256, 5):
        yield bytes([choice, 3, 200])
        yield bytes([choice, 1, 40, 0, 0, 16, 50, choice % 6, choice])


def block_seeds() -> Iterator[bytes]:
    for choice in range(0, 256, 5):
        yield bytes([choice])
        yield bytes([choice, 0, 0, 16, 50, choice % 6, choice])


def value_seeds() -> Iterator[bytes]:
    for volume in volumes():
        yield b""
        if isinstance(volume.content, AesSiv):
            for plain in (b"x", b"../target", bytes(100)):
                value = volume.sealer.seal_value(b"nonce of a value", plain)
                yield value
                yield volume.base64.encode(value)


TARGETS = [
    Target(
        "file headers",
        "what is accepted is what is written; sizes go to and fro, or are refused",
        headers,
        lambda: [header.pack(FILE_ID), header.pack(bytes(15) + b"\1"), bytes(18)],
        30,
    ),
    Target(
        "blocks",
        "a run opens to what was sealed, or fails at the first block in which a byte was "
        "changed; compiled code and Python agree",
        blocks,
        block_seeds,
        8,
    ),
    Target(
        "whole files",
        "a read gives what was sealed, or an error; what is salvaged was sealed, and the "
        "rest is told of",
        whole_files,
        edit_seeds,
        1,
        fixed=1,
    ),
    Target(
        "link targets",
        "what opens is what it seals to, and what was changed is refused",
        link_targets,
        value_seeds,
        4,
    ),
    Target(
        "attribute values",
        "as link targets, also in the base64 of old versions",
        attribute_values,
        value_seeds,
        4,
    ),
]
