"""`revcrypt forward`: mount the plaintext of an encrypted directory."""

import argparse
from dataclasses import replace
from functools import partial

from revcrypt.cli import configs, mounting, options
from revcrypt.cli.mounting import Request
from revcrypt.errors import ExitCode
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher

NAME = "forward"
SUMMARY = "mount the plaintext of an encrypted directory, read-only"

_CIPHERS = {
    "aes-siv": Cipher.AES_SIV,
    "aes-gcm": Cipher.AES_GCM,
    "xchacha": Cipher.XCHACHA20_POLY1305,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument(
        "cipherdir",
        metavar="CIPHERDIR",
        help="a pulled view, or any gocryptfs directory",
    )
    options.add_mount(parser)
    options.add_recovery_key(parser)
    options.add_config(parser, "CIPHERDIR/gocryptfs.conf")
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="read what a reverse view never contains as gocryptfs does: "
        "cut files as empty, zeroed blocks as zeros",
    )
    without = parser.add_argument_group("format, where there is no config to say so")
    options.add_name_features(without)
    without.add_argument(
        "--cipher",
        choices=_CIPHERS,
        default="aes-siv",
        help="content cipher (default: %(default)s, which every reverse view has)",
    )


def flags(arguments: argparse.Namespace) -> Features:
    """Return how to use a master key where there is no config."""
    return replace(options.name_features(arguments), cipher=_CIPHERS[arguments.cipher])


def make_request(arguments: argparse.Namespace) -> Request:
    """Return what is to be mounted; raises `UsageError`."""
    config = configs.forward_config_path(arguments.cipherdir, arguments.config)
    return Request(
        source=arguments.cipherdir,
        config=config,
        open_key=partial(options.open_key, arguments, config, flags(arguments)),
        **options.mount(arguments),
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    return mounting.mount_forward(make_request(arguments), lenient=arguments.lenient)
