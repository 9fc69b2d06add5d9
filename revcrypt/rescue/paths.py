"""Which encrypted path a plain one has, and the other way round.

In a copy of a reverse view, and in the plain tree itself, names follow from the paths
alone: so paths can be encrypted that do not exist. A hashed name can be decrypted only
where its entry is. (Format specification, sections 4.2 to 4.4 and 10.2.)
"""

from errno import ENOENT
from stat import S_ISDIR

from revcrypt.errors import BadNameError, DataError
from revcrypt.format import derive
from revcrypt.format.names import (
    CONFIG_NAME,
    DIR_IV_NAME,
    NAME_MAX,
    ZERO_IV,
    EntryKind,
    config_suffix,
    entry_kind,
    is_valid,
)
from revcrypt.format.volume import Volume
from revcrypt.rescue.walk import Found
from revcrypt.view.forward import ForwardView
from revcrypt.view.nodes import Node, View, VirtualNode, join
from revcrypt.view.reverse import ReverseView
from revcrypt.view.shown_config import REVERSE_CONFIG_NAME


def find(view: View, path: bytes) -> Found:
    """Return what is at *path* in a view, following no links.

    Raises `FileNotFoundError`, another `OSError`, or `DataError`.
    """
    found = Found(view.root, view.attrs(view.root))
    for name in path.split(b"/") if path else []:
        if not S_ISDIR(found.attrs.mode):
            raise FileNotFoundError(ENOENT, "nothing is below what is no directory")
        found = Found(*view.lookup(found.node, name))
    return found


def encrypt(volume: Volume, path: bytes) -> bytes:
    """Return where a reverse view shows the plain *path*, which need not exist.

    Raises `BadNameError` for what no filesystem could hold.
    """
    suffix = config_suffix(path, REVERSE_CONFIG_NAME)
    if suffix is not None:
        return CONFIG_NAME + suffix
    cipher_path = b""
    for name in path.split(b"/") if path else []:
        if not is_valid(name):
            raise BadNameError(f"a name has {len(name)} bytes, not 1 to {NAME_MAX}")
        if volume.features.plaintext_names:
            entry = name
        else:
            [full] = volume.names.encrypt([name], _iv(volume, cipher_path))
            entry = volume.names.shown(full)
        cipher_path = join(cipher_path, entry)
    return cipher_path


def _iv(volume: Volume, cipher_path: bytes) -> bytes:
    return derive.dir_iv(cipher_path) if volume.features.dir_iv else ZERO_IV


def encrypt_in_copy(view: ForwardView, path: bytes) -> bytes:
    """Return where a copy has the plain *path*, of which all but the last name exists.

    Raises `OSError` or `DataError`.
    """
    directory, _, name = path.rpartition(b"/")
    node = find(view, directory).node
    entry = name if view.names is None else view.names.encrypt(node, name)
    return join(view.cipher_path(node), entry) if path else b""


def decrypt_in_copy(view: ForwardView, cipher_path: bytes) -> bytes:
    """Return the plain path of what a copy has at *cipher_path*.

    Raises `OSError` or `DataError`.
    """
    node = view.root
    for entry in cipher_path.split(b"/") if cipher_path else []:
        name = entry if view.names is None else view.names.plain_name(node, entry)
        node, _ = view.lookup(node, name)
    return node.shown_path()


def decrypt(view: ReverseView, volume: Volume, cipher_path: bytes) -> bytes:
    """Return the plain path of what a reverse view shows at *cipher_path*.

    It need not exist, unless a name in it is hashed. Raises `OSError` or `DataError`.
    """
    suffix = config_suffix(cipher_path)
    if suffix is not None:
        return REVERSE_CONFIG_NAME + suffix
    node: Node | None = view.root
    shown = plain = b""
    for entry in cipher_path.split(b"/") if cipher_path else []:
        found: Node | None = None
        if node is not None:
            try:
                found, _ = view.lookup(node, entry)
            except FileNotFoundError:
                found = None
        if found is not None and not isinstance(found, VirtualNode):
            name = found.backing_name
        else:
            name = _decrypt_name(volume, shown, entry)
        shown, plain, node = join(shown, entry), join(plain, name), found
    return plain


def _decrypt_name(volume: Volume, directory: bytes, entry: bytes) -> bytes:
    if volume.features.plaintext_names:
        return entry
    if entry == DIR_IV_NAME or entry_kind(entry) is EntryKind.NAME_FILE:
        raise BadNameError("this exists only in the view")
    if entry_kind(entry) is EntryKind.LONG:
        raise BadNameError("a hashed name can be told only where its file is")
    [name] = volume.names.decrypt([entry], _iv(volume, directory))
    if name is None:
        raise BadNameError("this name does not decrypt in its directory")
    return name


def explain(error: OSError | DataError) -> str:
    """Return why a path has no other side."""
    if isinstance(error, FileNotFoundError):
        return "there is nothing of this name"
    return str(error.args[-1]) if isinstance(error, OSError) else str(error)
