"""`revcrypt speed`: how fast this machine encrypts, and what does it."""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from revcrypt.errors import ExitCode
from revcrypt.format.content import AesSiv
from revcrypt.format.derive import file_ids
from revcrypt.format.sizes import BLOCK_SIZE

NAME = "speed"
SUMMARY = "say how fast this machine encrypts, and what does it"

_RUN = 32 * BLOCK_SIZE
"""What one read of the kernel covers."""
_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There is nothing to declare."""


def run(arguments: argparse.Namespace) -> ExitCode:  # noqa: ARG001 - as all commands
    """Do it."""
    is_compiled = AesSiv(os.urandom(64)).is_compiled
    print(
        f"runs of blocks are sealed {'by compiled code' if is_compiled else 'in Python'}"
    )
    for name, action in _candidates():
        print(f"{name:42} {_measure(action):6.0f} MB/s", flush=True)
    return ExitCode.OK


def _candidates() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is compared, each an action on a run of 128 KiB."""
    plain = os.urandom(_RUN)
    key = os.urandom(64)
    ids = file_ids(b"path")
    for siv in _implementations(key):
        how = "compiled" if siv.is_compiled else "in Python"
        sealed = siv.seal_run(ids, 0, plain)
        yield f"AES-SIV, sealing, {how}", partial(siv.seal_run, ids, 0, plain)
        opening = partial(siv.open_run, ids.file_id, 0, sealed, holes=False)
        yield f"AES-SIV, opening, {how}", opening
    for name, aead in (
        ("AES-GCM (forward directories only)", AESGCM(key[:32])),
        ("ChaCha20-Poly1305 (for comparison)", ChaCha20Poly1305(key[:32])),
    ):
        yield name, partial(_seal_blocks, aead, plain)


def _seal_blocks(aead: AESGCM | ChaCha20Poly1305, plain: bytes) -> None:
    nonce = bytes(12)
    for start in range(0, len(plain), BLOCK_SIZE):
        aead.encrypt(nonce, plain[start : start + BLOCK_SIZE], None)


def _implementations(key: bytes) -> Iterator[AesSiv]:
    siv = AesSiv(key)
    yield siv
    if siv.is_compiled:
        yield AesSiv(key, in_python=True)


def _measure(action: Callable[[], object]) -> float:
    """Return megabytes (10^6) a second."""
    action()
    count = 0
    start = time.perf_counter()
    while time.perf_counter() - start < _SECONDS:
        action()
        count += 1
    return count * _RUN / 1e6 / (time.perf_counter() - start)
