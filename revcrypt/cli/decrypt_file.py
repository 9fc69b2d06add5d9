"""`revcrypt decrypt-file`: decrypt one loose file of a backup to stdout."""

import argparse
import os

from revcrypt.cli import backups, cat, configs, options
from revcrypt.cli.configs import ConfigPath
from revcrypt.cli.findings import Findings
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.errors import ExitCode, SourceError
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from revcrypt.format.volume import Volume
from revcrypt.rescue.content import Problem, Reader
from revcrypt.view.detect import sample_of_file
from revcrypt.view.findings import Finding
from revcrypt.view.source import open_regular

NAME = "decrypt-file"
SUMMARY = "decrypt one loose file of a backup to stdout"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument(
        "file", metavar="FILE", help="an encrypted file, wherever it is and by any name"
    )
    backups.add_key(parser, "gocryptfs.conf beside FILE, or in a directory above it")
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="read a cut file as empty and zeroed blocks as zeros, as gocryptfs does",
    )
    options.add_quiet(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    path = os.fsencode(arguments.file)
    try:
        fd, status = open_regular(None, path)
    except OSError as error:
        raise SourceError(
            f"cannot read {arguments.file}: {error.args[1]}",
            hint="name one encrypted file; for a whole backup there is revcrypt restore",
        ) from None
    try:
        config = _config(arguments)
        key = options.open_key(arguments, config, Features())
        key = backups.settle(None, config, key, sample_of_file(fd))
        shown = Findings(as_json=False, are_asked_for=False)

        def tell(problem: Problem) -> None:
            shown.report(
                Finding(
                    kind=problem.kind,
                    cipher_path=path,
                    plain_path=None,
                    text=problem.text,
                    offset=problem.offset,
                    size=problem.size,
                    is_healed=problem.is_healed,
                )
            )

        reader = Reader(
            fd,
            status.st_size,
            Volume.open(key.master_key, key.features).content,
            tell,
            strict=key.features.cipher is Cipher.AES_SIV and not arguments.lenient,
        )
        cat.write(reader, shown)
        return shown.exit_code
    finally:
        os.close(fd)


def _config(arguments: argparse.Namespace) -> ConfigPath:
    """Return the config: the one that is named, or the nearest one above the file."""
    directory = beside = os.path.dirname(os.path.realpath(arguments.file))
    while arguments.config is None:
        config = configs.forward_config_path(directory, None)
        if os.path.exists(config.path) or RecoveryFiles.of(config).all_sealed():
            return config
        if directory == "/":
            break
        directory = os.path.dirname(directory)
    return configs.forward_config_path(beside, arguments.config)
