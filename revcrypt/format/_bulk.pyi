from collections.abc import Sequence

class Runs:
    def __init__(self, key: bytes) -> None: ...
    def seal(
        self,
        file_id: bytes,
        block0_nonce: bytes,
        first: int,
        plaintext: bytes | memoryview,
        /,
    ) -> bytes: ...
    def open(
        self, file_id: bytes, first: int, ciphertext: bytes | memoryview, holes: bool, /
    ) -> bytes | int: ...

class Names:
    def __init__(self, key: bytes, raw: bool) -> None: ...
    def encrypt(self, iv: bytes, names: Sequence[bytes], /) -> list[bytes]: ...
    def decrypt(self, iv: bytes, texts: Sequence[bytes], /) -> list[bytes | None]: ...
