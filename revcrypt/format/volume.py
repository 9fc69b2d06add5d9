"""A volume: everything that a view needs to translate, made of key and features."""

from dataclasses import dataclass
from typing import Self

from revcrypt.errors import AuthenticationError, MalformedError
from revcrypt.format import keys
from revcrypt.format.config import Features
from revcrypt.format.content import AesSiv, ContentCipher
from revcrypt.format.names import Base64, NameCipher


@dataclass(frozen=True, slots=True)
class Volume:
    """The ciphers of one master key under one set of features."""

    features: Features
    content: ContentCipher
    names: NameCipher
    base64: Base64

    @classmethod
    def open(cls, master_key: bytes, features: Features) -> Self:
        """Derive all keys of *master_key* (32 bytes)."""
        hkdf = features.hkdf
        base64 = Base64(raw=features.raw64)
        key = keys.content_key(master_key, features.cipher, hkdf=hkdf)
        names = NameCipher(
            keys.name_key(master_key, hkdf=hkdf),
            base64=base64,
            long_name_max=features.long_name_max,
        )
        return cls(features, features.cipher.value(key), names, base64)

    @property
    def sealer(self) -> AesSiv:
        """The cipher of a reverse view, which is always AES-SIV."""
        assert isinstance(self.content, AesSiv)
        return self.content

    def seal_link(self, nonce: bytes, target: bytes) -> bytes:
        """Return the encrypted form of a link's *target* (section 5.1)."""
        if self.features.plaintext_names:
            return target
        return self.base64.encode(self.sealer.seal_value(nonce, target))

    def open_link(self, cipher_target: bytes) -> bytes:
        """Return the plain target; raises `AuthenticationError`."""
        if self.features.plaintext_names:
            return cipher_target
        try:
            return self.content.open_value(self.base64.decode(cipher_target))
        except MalformedError:
            raise AuthenticationError("the link target is not base64") from None

    def sealed_link_size(self, target_size: int) -> int:
        """Return the length of an encrypted target, without encrypting one."""
        if self.features.plaintext_names or not target_size:
            return target_size
        return self.base64.encoded_size(target_size + self.content.overhead)

    def open_xattr(self, value: bytes) -> bytes:
        """Return the plain value of an attribute; raises `AuthenticationError`."""
        try:
            return self.content.open_value(value)
        except AuthenticationError:
            # Very old gocryptfs stored base64 (section 6.2).
            try:
                return self.content.open_value(self.base64.decode(value))
            except MalformedError:
                raise AuthenticationError("the value does not authenticate") from None
