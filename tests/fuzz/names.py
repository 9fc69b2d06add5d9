"""Names: plain ones, cipher ones, those in `.name` files, those of attributes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from revcrypt.errors import BadNameError, MalformedError
from revcrypt.format import bulk
from revcrypt.format.config import Features
from revcrypt.format.names import (
    DIR_IV_NAME,
    NAME_FILE_SUFFIX,
    ZERO_IV,
    EntryKind,
    NameCipher,
    entry_kind,
    is_config_file,
    is_valid,
)
from revcrypt.format.volume import Volume
from revcrypt.view.findings import Finding
from revcrypt.view.forward import ForwardView
from revcrypt.view.source import Source
from tests.fuzz.target import Target, scratch
from tests.support import KEY

ALPHABET = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="
)
MOST_NAMES = 8
SAMPLES = [b"a", b"name", b"\xff\xfe", b"x" * 15, b"x" * 16, b"n" * 175, b"n" * 255]
FEATURES = [
    Features(dir_iv=False),
    Features(dir_iv=False, raw64=False, hkdf=False),
    Features(dir_iv=False, long_name_max=62),
]


@cache
def volume(features: Features) -> Volume:
    return Volume.open(KEY, features)


@cache
def ciphers() -> list[list[NameCipher]]:
    """Return ciphers of names: for each of `FEATURES`, all implementations of it."""
    compiled = [Volume.open(KEY, features).names for features in FEATURES]
    names, bulk.NAMES = bulk.NAMES, None
    try:
        in_python = [Volume.open(KEY, features).names for features in FEATURES]
    finally:
        bulk.NAMES = names
    return [list(pair) for pair in zip(compiled, in_python)]


def plain_names(data: bytes) -> None:
    names = data.split(b"/")[:MOST_NAMES]
    names = [name for name in names if len(name) <= 2047]
    compiled, in_python = ciphers()[len(data) % len(FEATURES)]
    encrypted = compiled.encrypt(names, ZERO_IV)
    assert encrypted == in_python.encrypt(names, ZERO_IV)
    assert len(set(encrypted)) == len(set(names))
    wanted = [name if is_valid(name) else None for name in names]
    assert compiled.decrypt(encrypted, ZERO_IV) == wanted
    assert in_python.decrypt(encrypted, ZERO_IV) == wanted
    for full in encrypted:
        entry = compiled.shown(full)
        assert is_valid(entry)
        assert set(entry) <= ALPHABET
        assert (entry == full) == (entry_kind(entry) is EntryKind.SHORT)


def cipher_names(data: bytes) -> None:
    texts = data.split(b"/")[:MOST_NAMES]
    for compiled, in_python in ciphers():
        names = compiled.decrypt(texts, ZERO_IV)
        assert names == in_python.decrypt(texts, ZERO_IV)
        for name, cipher_name in zip(names, texts):
            if name is not None:
                assert is_valid(name)
                assert compiled.encrypt([name], ZERO_IV) == [cipher_name]


@contextmanager
def directory(data: bytes) -> Iterator[Path]:
    """Make a directory of entries and contents, one after the other in *data*."""
    parts = data.split(b"/")[: 4 * MOST_NAMES]
    root = scratch() / "names"
    root.mkdir(exist_ok=True)
    made = []
    try:
        for name, content in zip(parts[::2], parts[1::2]):
            path = os.fsencode(root) + b"/" + name
            if is_valid(name) and path not in made:
                made.append(path)
                with open(path, "wb", buffering=0) as file:
                    file.write(content)
        yield root
    finally:
        for path in made:
            os.unlink(path)


def long_names(data: bytes) -> None:
    told: list[Finding] = []
    features = (FEATURES[0], FEATURES[2], Features())[len(data) % 3]
    with directory(data) as root:
        present = set(os.listdir(os.fsencode(root)))
        for strict, keeps_all in ((True, False), (False, False), (True, True)):
            source = Source(os.fsencode(root))
            view = ForwardView(
                source,
                volume(features),
                strict=strict,
                report=told.append,
                keeps_all=keeps_all,
            )
            try:
                check_listing(view, present, keeps_all=keeps_all)
            finally:
                view.close()
    for finding in told:
        assert finding.text.isprintable()


def check_listing(view: ForwardView, present: set[bytes], *, keeps_all: bool) -> None:
    names = view.names
    assert names is not None
    try:
        children = view.entries(view.root)
    except MalformedError:
        assert names.have_ivs
        return
    backing = [child.backing_name for child in children]
    assert len({child.shown_name for child in children}) == len(backing)
    assert len(set(backing)) == len(backing)
    wanted = {name for name in present if stands_for_entry(name, ivs=names.have_ivs)}
    if keeps_all:
        assert set(backing) == wanted
        return
    assert set(backing) <= wanted
    for shown, entry, _ in children:
        assert is_valid(shown)
        # Whoever looks up what is listed gets there.
        assert names.encrypt(view.root, shown) == entry


def stands_for_entry(name: bytes, *, ivs: bool) -> bool:
    """Tell whether an entry of the root stands for one of the plaintext."""
    if is_config_file(name) or (ivs and name == DIR_IV_NAME):
        return False
    return entry_kind(name) is not EntryKind.NAME_FILE


def attribute_names(data: bytes) -> None:
    for compiled, in_python in ciphers():
        try:
            plain = compiled.decrypt_xattr(data)
        except BadNameError:
            plain = None
        else:
            assert compiled.encrypt_xattr(plain) == data
        try:
            assert in_python.decrypt_xattr(data) == plain
        except BadNameError:
            assert plain is None
        name = data.replace(b"\0", b"")[:255]
        if name:
            assert compiled.decrypt_xattr(compiled.encrypt_xattr(name)) == name


def cipher_name_seeds() -> Iterator[bytes]:
    for [compiled, _] in ciphers():
        yield from compiled.encrypt(SAMPLES, ZERO_IV)
        yield b"/".join(compiled.encrypt(SAMPLES, ZERO_IV))


def long_name_seeds() -> Iterator[bytes]:
    for [compiled, _] in ciphers():
        parts = []
        for full in compiled.encrypt(SAMPLES, ZERO_IV):
            entry = compiled.shown(full)
            parts += [entry, b""]
            if entry != full:
                parts += [entry + NAME_FILE_SUFFIX, full]
        yield b"/".join(parts)
        yield b"/".join(
            [*parts, DIR_IV_NAME, b"iv of these names", b"gocryptfs.conf", b""]
        )
        # Each name is in the file of another one.
        yield b"/".join([*parts[:-4], parts[-4], parts[-1], parts[-2], parts[-3]])


def attribute_name_seeds() -> Iterator[bytes]:
    for [compiled, _] in ciphers():
        yield from map(
            compiled.encrypt_xattr, [b"user.a", b"security.capability", b"x" * 255]
        )


TARGETS = [
    Target(
        "plain names",
        "each comes back from its cipher name; no two have the same; compiled code and "
        "Python agree",
        plain_names,
        lambda: [b"/".join(SAMPLES), *SAMPLES],
        2,
    ),
    Target(
        "cipher names",
        "what decrypts is what the name encrypts to, in one way only; compiled code and "
        "Python agree",
        cipher_names,
        cipher_name_seeds,
        4,
    ),
    Target(
        "long-name files",
        "every entry that is listed is found by its name, and no entry is lost or twice",
        long_names,
        long_name_seeds,
        1,
    ),
    Target(
        "attribute names",
        "as cipher names, and every name comes back",
        attribute_names,
        attribute_name_seeds,
        4,
    ),
]
