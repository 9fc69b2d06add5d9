"""EME, against vectors and against a second implementation."""

import json
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.format.eme import Eme

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/eme.json").read_text())
KEY = bytes.fromhex(VECTORS["key"])


def xor(left: bytes, right: bytes) -> bytes:
    """XOR two blocks byte by byte."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def double(block: bytes) -> bytes:
    """Multiply by x as the paper's reference code does: shift the carries upwards."""
    doubled = [(2 * block[0]) & 0xFF]
    if block[15] >= 0x80:
        doubled[0] ^= 0x87
    doubled += [(2 * block[i]) & 0xFF | block[i - 1] >> 7 for i in range(1, 16)]
    return bytes(doubled)


def aes(block: bytes, key: bytes, *, decrypt: bool = False) -> bytes:
    """Run AES over one block."""
    cipher = Cipher(AES(key), ECB())
    context = cipher.decryptor() if decrypt else cipher.encryptor()
    return context.update(block) + context.finalize()


def straightforward(
    key: bytes, tweak: bytes, message: bytes, *, decrypt: bool = False
) -> bytes:
    """Do EME one block at a time, in the words of section 4.1."""
    blocks = [message[i : i + 16] for i in range(0, len(message), 16)]
    masks = [double(aes(bytes(16), key))]
    for _ in blocks[1:]:
        masks.append(double(masks[-1]))
    ppp = [aes(xor(p, mask), key, decrypt=decrypt) for p, mask in zip(blocks, masks)]
    mp = tweak
    for block in ppp:
        mp = xor(mp, block)
    mc = aes(mp, key, decrypt=decrypt)
    power = xor(mp, mc)
    first = xor(mc, tweak)
    rest = []
    for block in ppp[1:]:
        power = double(power)
        rest.append(xor(block, power))
        first = xor(first, rest[-1])
    ccc = [first, *rest]
    return b"".join(
        xor(aes(block, key, decrypt=decrypt), mask) for block, mask in zip(ccc, masks)
    )


def test_intermediates() -> None:
    """The second implementation has the specification's E(0) and L1."""
    zero = aes(bytes(16), KEY)
    assert zero.hex() == VECTORS["e_zero"]
    assert double(zero).hex() == VECTORS["l1"]


@pytest.mark.parametrize("vector", VECTORS["messages"])
def test_vector(vector: dict[str, str]) -> None:
    """The specification's messages encrypt and decrypt, in both implementations."""
    tweak, plain, cipher = map(
        bytes.fromhex, (vector["tweak"], vector["plain"], vector["cipher"])
    )
    assert Eme(KEY).encrypt(tweak, [plain]) == [cipher]
    assert Eme(KEY).decrypt(tweak, [cipher]) == [plain]
    assert straightforward(KEY, tweak, plain) == cipher
    assert straightforward(KEY, tweak, cipher, decrypt=True) == plain


@pytest.mark.parametrize("blocks", [*range(1, 17), 127, 128])
def test_against_the_straightforward(blocks: int) -> None:
    """Both implementations agree on messages of every size, in both directions."""
    random = Random(blocks)
    key, tweak = random.randbytes(32), random.randbytes(16)
    message = random.randbytes(16 * blocks)
    eme = Eme(key)
    assert eme.encrypt(tweak, [message]) == [straightforward(key, tweak, message)]
    expected = straightforward(key, tweak, message, decrypt=True)
    assert eme.decrypt(tweak, [message]) == [expected]


messages = st.integers(1, 16).flatmap(
    lambda blocks: st.binary(min_size=16 * blocks, max_size=16 * blocks)
)
tweaks = st.binary(min_size=16, max_size=16)


@settings(deadline=None)
@given(tweaks, st.lists(messages, max_size=8))
def test_batch(tweak: bytes, batch: list[bytes]) -> None:
    """A batch is what its messages are one by one, and decrypts to itself."""
    eme = Eme(KEY)
    encrypted = eme.encrypt(tweak, batch)
    assert encrypted == [eme.encrypt(tweak, [message])[0] for message in batch]
    assert eme.decrypt(tweak, encrypted) == batch


@settings(deadline=None)
@given(tweaks, messages, st.data())
def test_wide_block(tweak: bytes, message: bytes, data: st.DataObject) -> None:
    """A change of one bit anywhere in message or tweak changes every block."""
    changed = bytearray(tweak + message)
    bit = data.draw(st.integers(0, 8 * len(changed) - 1))
    changed[bit // 8] ^= 1 << bit % 8
    eme = Eme(KEY)
    [before] = eme.encrypt(tweak, [message])
    [after] = eme.encrypt(bytes(changed[:16]), [bytes(changed[16:])])
    for start in range(0, len(message), 16):
        assert before[start : start + 16] != after[start : start + 16]


def test_state() -> None:
    """What was encrypted before has no influence."""
    used = Eme(KEY)
    used.encrypt(bytes(16), [b"x" * 160, b"y" * 16])
    used.decrypt(b"t" * 16, [b"z" * 48])
    assert used.encrypt(bytes(16), [b"a" * 64]) == Eme(KEY).encrypt(
        bytes(16), [b"a" * 64]
    )
