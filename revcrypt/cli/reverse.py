"""`revcrypt reverse`: mount the encrypted view of a plain directory."""

import argparse
from functools import partial

from revcrypt.cli import configs, filters, mounting, options
from revcrypt.cli.mounting import Request
from revcrypt.errors import ExitCode
from revcrypt.format.config import Features

NAME = "reverse"
SUMMARY = "mount the encrypted view of a plain directory"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument("plaindir", metavar="PLAINDIR", help="the directory to back up")
    options.add_mount(parser)
    options.add_config(parser, "PLAINDIR/.gocryptfs.reverse.conf")
    options.add_name_features(
        parser.add_argument_group("names, where there is no config to say so")
    )
    parser.add_argument(
        "--no-show-config",
        dest="show_config",
        action="store_false",
        help="do not show the config in the view; then only the master key, or a config "
        "kept elsewhere, can restore the backup",
    )
    parser.add_argument(
        "--ignore-modes",
        action="store_true",
        help="let whom --allow-user and --allow-group name read everything, encrypted as "
        "it is, whatever owner and mode say",
    )
    filters.add_arguments(parser)


def flags(arguments: argparse.Namespace) -> Features:
    """Return how to use a master key where there is no config."""
    return options.name_features(arguments)


def make_request(arguments: argparse.Namespace) -> Request:
    """Return what is to be mounted; raises `UsageError`."""
    config = configs.reverse_config_path(arguments.plaindir, arguments.config)
    return Request(
        source=arguments.plaindir,
        config=config,
        open_key=partial(options.open_key, arguments, config, flags(arguments)),
        ignore_modes=arguments.ignore_modes,
        **options.mount(arguments),
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    return mounting.mount_reverse(
        make_request(arguments),
        show_config=arguments.show_config,
        left_out=filters.of_arguments(arguments),
    )
