"""Names of recently seen directories, so that each is encrypted once, in one pass.

A name's cipher form is a pure function of key and directory, so an entry can never be
wrong; whether the file exists is for the caller to find out.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence

from revcrypt.format.names import NameCipher

MAX_NAMES = 65_536
"""Names to keep over all directories; the latest directory stays, however large."""

_FORGOTTEN = 1000
"""Names of deleted files that may be kept per directory."""


class DirNames:
    """The names in one directory as far as they are known."""

    __slots__ = ("_cipher", "full", "iv", "plain", "shown", "weight")

    def __init__(self, cipher: NameCipher, iv: bytes) -> None:
        self._cipher = cipher
        self.iv = iv
        self.shown: dict[bytes, bytes] = {}
        """Plain name -> directory entry of the view."""
        self.plain: dict[bytes, bytes] = {}
        """Directory entry of the view -> plain name."""
        self.full: dict[bytes, bytes] = {}
        """Hashed directory entry -> full cipher name."""
        self.weight = 0
        """What the cache has counted it for."""

    def update(self, plain_names: Sequence[bytes]) -> None:
        """Encrypt those of *plain_names*, all names of the directory, that are new."""
        if len(self.shown) > 2 * len(plain_names) + _FORGOTTEN:
            # A spool directory has had more names than we want to keep for ever.
            for known in (self.shown, self.plain, self.full):
                known.clear()
        new = [name for name in plain_names if name not in self.shown]
        for name, cipher_name in zip(new, self._cipher.encrypt(new, self.iv)):
            shown = self._cipher.shown(cipher_name)
            self.shown[name] = shown
            self.plain[shown] = name
            if shown != cipher_name:
                self.full[shown] = cipher_name

    def decrypt(self, entry: bytes) -> bytes | None:
        """Return the plain name of an entry that is not hashed, or None."""
        plain = self.plain.get(entry)
        if plain is None:
            [plain] = self._cipher.decrypt([entry], self.iv)
            # A name that should be hashed does not exist in its full form.
            if plain is None or self._cipher.shown(entry) != entry:
                return None
            self.shown[plain] = entry
            self.plain[entry] = plain
        return plain


class NameCache:
    """The `DirNames` of recent directories, by whatever stands for one.

    That is a node rather than a path, so that what is kept for a directory that was
    renamed, or for one below it, is dropped with it.
    """

    def __init__(self, cipher: NameCipher) -> None:
        self._cipher = cipher
        self._directories: OrderedDict[Hashable, DirNames] = OrderedDict()
        self._latest: DirNames | None = None
        self._weight = 0

    def names(self, directory: Hashable, iv: bytes) -> DirNames:
        """Return the names of a directory whose IV is *iv* now."""
        if self._latest is not None:
            self._weigh(self._latest)
        names = self._directories.get(directory)
        if names is None or names.iv != iv:
            self.forget(directory)
            names = self._directories[directory] = DirNames(self._cipher, iv)
        self._directories.move_to_end(directory)
        while self._weight > MAX_NAMES and len(self._directories) > 1:
            self._weight -= self._directories.popitem(last=False)[1].weight
        self._latest = names
        return names

    def forget(self, directory: Hashable) -> None:
        """Drop the names of a directory that nobody knows any more, if it is one."""
        names = self._directories.pop(directory, None)
        if names is not None:
            self._weight -= names.weight
            if names is self._latest:
                self._latest = None

    def _weigh(self, names: DirNames) -> None:
        """Account for what the caller has added since."""
        weight = len(names.shown) + 1
        self._weight += weight - names.weight
        names.weight = weight
