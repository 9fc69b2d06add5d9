"""`revcrypt info`: what a config says, in plain words."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from revcrypt.cli import configs
from revcrypt.cli.configs import ConfigPath
from revcrypt.cli.sizes import human
from revcrypt.errors import ExitCode
from revcrypt.format.config import VERSION, Config, Flag

NAME = "info"
SUMMARY = "say what a config says, in plain words; no passphrase is needed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument(
        "path",
        metavar="DIR|CONFIG",
        help="an encrypted directory, a plain one with a config, or a config itself",
    )
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    path = configs.any_config_path(arguments.path)
    config = configs.read(path)
    if arguments.json:
        print(json.dumps(_fields(path, config), indent=2))
        return ExitCode.OK
    lines = list(_describe(path, config))
    width = max(len(label) for label, _ in lines) + 1
    for label, text in lines:
        print(f"{label + ':':{width}} {text}")
    return ExitCode.OK


def _describe(path: ConfigPath, config: Config) -> Iterator[tuple[str, str]]:
    features, scrypt = config.features, config.scrypt
    yield "config", path.path
    yield "made by", config.creator or "unknown"
    yield "format", f"gocryptfs, version {VERSION}"
    yield "content", features.cipher.label
    if features.plaintext_names:
        yield "names", "not encrypted, nor are link targets"
    else:
        how = "per directory" if features.dir_iv else "equally in all directories"
        yield "names", f"encrypted {how}"
        yield "long names", f"hashed if encrypted to more than {features.long_name_max}"
    kind = "reverse views and their copies" if Flag.AES_SIV in config.flags else "forward"
    yield "good for", kind
    if Flag.FIDO2 in config.flags:
        yield "unlocked by", "a FIDO2 token, which revcrypt cannot ask"
    if config.has_passphrase:
        cost = f"scrypt with N={scrypt.n}, R={scrypt.r}, P={scrypt.p}"
        yield "passphrase", f"{cost}: {human(scrypt.memory)} for each guess"
    else:
        yield "passphrase", "none; the master key or a recovery key opens the backup"
    yield "flags", " ".join(flag.value for flag in Flag if flag in config.flags)


def _fields(path: ConfigPath, config: Config) -> dict[str, Any]:
    features, scrypt = config.features, config.scrypt
    return {
        "config": path.path,
        "creator": config.creator,
        "version": VERSION,
        "cipher": features.cipher.label,
        "plaintext_names": features.plaintext_names,
        "dir_iv": features.dir_iv,
        "raw64": features.raw64,
        "hkdf": features.hkdf,
        "long_name_max": features.long_name_max,
        "fido2": Flag.FIDO2 in config.flags,
        "passphrase": config.has_passphrase,
        "scrypt": {"n": scrypt.n, "r": scrypt.r, "p": scrypt.p, "bytes": scrypt.memory},
        "flags": [flag.value for flag in Flag if flag in config.flags],
    }
