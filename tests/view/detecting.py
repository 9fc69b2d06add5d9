"""All formats that an encrypted directory can have, and samples of such directories."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from revcrypt.view.detect import Sample, take_sample
from revcrypt.view.source import Source
from tests.view.trees import reverse_view, write_out

CIPHERS = [
    Features(cipher=Cipher.AES_SIV),
    Features(cipher=Cipher.AES_GCM),
    Features(cipher=Cipher.XCHACHA20_POLY1305),
    Features(cipher=Cipher.AES_SIV, hkdf=False),
    Features(cipher=Cipher.AES_GCM, hkdf=False),
]
"""XChaCha20-Poly1305 needs HKDF (format specification, section 1.2)."""
FORMATS = [
    replace(features, **names)
    for features in CIPHERS
    for names in (
        {},
        {"raw64": False},
        {"dir_iv": False},
        {"dir_iv": False, "raw64": False},
        {"plaintext_names": True, "dir_iv": False, "raw64": False},
    )
]
VIEWS = [features for features in FORMATS if features.cipher is Cipher.AES_SIV]
"""What a reverse view may have."""


def id_of(features: Features) -> str:
    """Return a name for a parameter."""
    names = "plain" if features.plaintext_names else "iv" if features.dir_iv else "det"
    return "-".join(
        [
            features.cipher.name,
            names,
            *(["padded"] if not features.raw64 else []),
            *(["legacy"] if not features.hkdf else []),
        ]
    )


def pull(plain: Path, cipher: Path, features: Features) -> None:
    """Make a copy of a reverse view."""
    with reverse_view(plain, features) as view:
        write_out(view, cipher)


@contextmanager
def sampled(directory: Path) -> Iterator[tuple[Source, Sample]]:
    """Look at an encrypted directory."""
    with closing(Source(os.fsencode(directory))) as source:
        yield source, take_sample(source)


def make_plain(directory: Path) -> Path:
    """Return a new plain tree of a few files, directories and a link."""
    path = directory / "plain"
    (path / "dir" / "sub").mkdir(parents=True)
    for name in ("a", "b.txt", "dir/c", "dir/sub/d"):
        (path / name).write_text(name * 2000)
    (path / "dir" / ("long " * 40)).write_text("long")
    (path / "link").symlink_to("dir")
    return path
