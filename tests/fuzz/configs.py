"""What a person or a backup host writes: configs, view files, options."""

import json
import os
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from revcrypt.cli import filters, go_flags, gocryptfs, init, mounting, passwd, site
from revcrypt.cli.main import make_parser
from revcrypt.errors import (
    ConfigInvalidError,
    ConfigUnreadableError,
    FilterError,
    ScryptCostError,
    UserError,
)
from revcrypt.format import config, keys
from revcrypt.format.keys import ScryptParams
from revcrypt.fuse.serve import MountOptions
from revcrypt.view import mounts
from revcrypt.view.exclude import literal_path, parse_size
from revcrypt.view.mounts import read_mounts, source_name
from tests.cli.parsing import Parsed
from tests.fuzz.target import Target, scratch, text

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/configs.json").read_text())
CONFIGS = [vector["text"].encode() for vector in VECTORS]
OTHER = ScryptParams(salt=bytes(range(32)), n=1024)
MEMORY = 64 << 20
MOST_WORK = 1 << 24


def check_message(error: UserError, about: str) -> None:
    """Check that a message is about something, and can be read."""
    assert about in str(error)
    assert len(str(error)) < 10_000


class Asked:
    """Takes the place of scrypt itself, once that has accepted what it is asked for."""

    def __init__(self, salt: bytes, length: int, n: int, r: int, p: int) -> None:
        Scrypt(salt, length, n, r, p)
        assert 128 * r * (n + p) <= MEMORY
        assert p == 1 or n * r * p <= MOST_WORK

    def derive(self, _: bytes) -> bytes:
        return bytes(32)


def configs(data: bytes) -> None:
    try:
        parsed = config.parse(data)
    except (ConfigInvalidError, ConfigUnreadableError):
        return
    assert config.parse(config.pack(parsed)) == parsed
    features = parsed.features
    made = config.make(
        features,
        creator=parsed.creator,
        encrypted_key=parsed.encrypted_key,
        scrypt=parsed.scrypt,
    )
    assert config.parse(config.pack(made)).features == features
    wrapped = bytes(len(parsed.encrypted_key))
    again = config.parse(config.rewrap(data, wrapped, OTHER))
    assert again == replace(parsed, encrypted_key=wrapped, scrypt=OTHER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "Scrypt", Asked)
        try:
            keys.derive_kek(b"passphrase", parsed.scrypt, memory_limit=MEMORY)
        except ScryptCostError as error:
            check_message(error, "cost")


def known_keys() -> set[str]:
    """Return what a file in /etc/revcrypt may say."""
    keys = {"source", "mountpoint", "forward", "no-show-config"}
    for command in ("reverse", "forward"):
        parsed = make_parser([command]).parse_args([command, "/source", "/mountpoint"])
        keys |= {name.replace("_", "-") for name in vars(parsed)}
    return keys - {"plaindir", "cipherdir", "run", "create", "show-config"}


KNOWN_KEYS = known_keys()


def sites(data: bytes) -> None:
    path = Path(scratch(), "site.toml")
    path.touch(0o600)
    path.write_bytes(data)
    try:
        found = site.read(str(path))
    except (ConfigInvalidError, ConfigUnreadableError) as error:
        check_message(error, str(path))
        return
    said = tomllib.loads(data.decode())
    assert said.keys() <= KNOWN_KEYS
    assert (found.source, found.mountpoint) == (said["source"], said["mountpoint"])
    try:
        request = found.make_request()
    except UserError:
        return
    assert (request.source, request.mountpoint) == (found.source, found.mountpoint)
    check_filters(filters.of_arguments(found.arguments))


def escaped(option: str) -> str:
    """Return an option as it stands in a list of them."""
    return option.replace("\\", "\\\\").replace(",", "\\,")


def check_filters(given: filters.Filters) -> None:
    """Check that filters come back from the options that say the same."""
    options = ",".join(map(escaped, filters.describe(given)))
    if options:
        parsed = go_flags.parse(["-o", options, "-reverse"])
        said = parsed.switches | parsed.values | parsed.lists
        assert filters.Filters.of(said) == given
    for path in given.exclude:
        with suppress(FilterError):
            assert not literal_path(os.fsencode(path)).startswith(b"/")
    if given.exclude_larger_than is not None:
        with suppress(FilterError):
            assert parse_size(given.exclude_larger_than) >= 0


def mount_options(data: bytes) -> None:
    options = text(data.replace(b"\0", b""))  # No command line has one.
    words = [word for word in go_flags._split_list(options) if word]
    assert go_flags._split_list(",".join(map(escaped, words))) == (words or [""])
    parsed = Parsed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mounting, "mount_reverse", parsed.mount_reverse)
        patch.setattr(mounting, "mount_forward", parsed.mount_forward)
        patch.setattr(init, "initialise", parsed.initialise)
        patch.setattr(passwd, "change", parsed.initialise)
        try:
            gocryptfs.run(["/source", "/mountpoint", "-o", options])
        except UserError:
            return
    if parsed.mount is not None:
        assert (parsed.mount.source, parsed.mount.mountpoint) == (
            "/source",
            "/mountpoint",
        )
        check_filters(parsed.left_out)


def kernel_escaped(field: bytes) -> bytes:
    """Return a field of mountinfo as the kernel writes it."""
    return b"".join(
        b"\\%03o" % byte if byte in b" \t\n\\#" else bytes([byte]) for byte in field
    )


def mount_table(data: bytes) -> None:
    fields = [part or b"-" for part in data.replace(b"\0", b"").split(b"\xff\n")]
    mountpoint, source, name = (b"/" + fields[0], *fields[1:], b"none", b"x")[:3]
    number = len(data)
    # An optional field may look like the one that ends them, but for its colon.
    line = (
        b"%d 1 0:30 / %b ro,nosuid shared:%d - fuse.%b %b rw,user_id=7,group_id=8\n"
        % (
            number,
            kernel_escaped(mountpoint),
            number,
            kernel_escaped(name),
            kernel_escaped(source),
        )
    )
    path = Path(scratch(), "mountinfo")
    path.write_bytes(line)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mounts, "MOUNTINFO", f"{scratch()}/{{}}")
        [mount] = read_mounts("mountinfo")
    assert (mount.number, mount.parent, mount.user) == (number, 1, (7, 8))
    assert (mount.mountpoint, mount.source) == (mountpoint, source)
    assert mount.fstype == b"fuse." + name
    # What libfuse makes of the name that we give it is what we look for later.
    [told] = [
        option
        for option in MountOptions(fsname=mountpoint).as_fuse()
        if option.startswith("fsname=")
    ]
    [read] = libfuse_options(told)
    assert read == f"fsname={source_name(mountpoint)}"
    assert read.isascii()
    assert read.isprintable()


def libfuse_options(options: str) -> Sequence[str]:
    """Split a list of options as libfuse does, where a backslash escapes."""
    found, characters = [""], iter(options)
    for character in characters:
        if character == ",":
            found.append("")
        else:
            found[-1] += next(characters, "") if character == "\\" else character
    return found


def site_seeds() -> Iterator[bytes]:
    places = 'source = "/srv/data"\nmountpoint = "/run/revcrypt/data"\n'
    for more in (
        'config = "/etc/data.conf"\npassfile = "/etc/data.pass"\n',
        'allow-user = ["root", 12345]\nallow-group = "root"\nforce-owner = "7:8"\n',
        'exclude = ["/a", "--b", "c d"]\nexclude-wildcard = "*.o"\nfilter-from = []\n',
        "exclude-larger-than = 1000\nexclude-nodump = [true]\nexclude-special = false\n",
        'exclude-larger-than = "10M"\nfsname = "a, b"\nno-show-config = true\n',
        'forward = true\nmasterkey = "/etc/key"\nnonempty = true\n',
    ):
        yield (places + more).encode()


OPTIONS = [
    b"reverse,nofail,passfile=/root/data.pass",
    b"reverse,allow_other,rw,exclude=a\\,b,exclude-larger-than=10M,_netdev,x-y=z",
    b"ro,noexec,config=/etc/c,fsname=a\\\\b,force_owner=0:0,allow_user=root",
    b"reverse,filter-from=/f,exclude-wildcard=*.o,one-file-system,longnamemax=100",
    b"aessiv=false,scryptn=10,masterkey=stdin,zerokey,remount,nonempty,q,debug",
    b"init,reverse,scryptn=16,plaintextnames,hkdf=0,raw64=f",
]
MOUNTS = [
    b"/mnt",
    b"/a b\\134\n\t#\xff\nsource,x\xff\nrevcrypt",
    b"\\040\\,\xff\n-\xff\n ",
]

TARGETS = [
    Target(
        "configs",
        "written again, it says the same, also with another key; what it asks of scrypt "
        "stays within the limits",
        configs,
        lambda: CONFIGS,
        10,
        fixed=2,
    ),
    Target(
        "view files",
        "what is accepted has only known keys, and its filters come back as options",
        sites,
        site_seeds,
        1,
        fixed=4,
    ),
    Target(
        "mount options",
        "a list is split as it was joined; what it asks for is about the paths given, "
        "and its filters come back as options",
        mount_options,
        lambda: OPTIONS,
        1,
        fixed=3,
    ),
    Target(
        "mount table",
        "every mountpoint comes back from what the kernel makes of it, and the name of a "
        "source from what libfuse makes of it",
        mount_table,
        lambda: MOUNTS,
        2,
    ),
]
