"""The command line of gocryptfs, mapped to the same code (spec, sections 9.1 to 9.5)."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from revcrypt import __version__
from revcrypt.cli import configs, filters, init, logs, mounting, passwd, proven, users
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.go_flags import Options, parse
from revcrypt.cli.secrets import PassphraseSource, read_master_key
from revcrypt.errors import ExitCode, FilterError, UsageError
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from revcrypt.format.keys import MASTER_KEY_SIZE, parse_master_key
from revcrypt.format.names import LONG_NAME_MAX_LEAST, NAME_MAX


def run(argv: Sequence[str]) -> ExitCode:
    """Do what *argv* says in the language of gocryptfs; raises `UsageError`."""
    options = parse(argv)
    if options.switches["version"]:
        print(f"revcrypt {__version__}")
        return ExitCode.OK
    if options.switches["init"]:
        return _init(options)
    if options.switches["passwd"]:
        return _passwd(options)
    return _mount(options)


def _number(options: Options, name: str, default: int) -> int:
    text = options.values.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", text):
        raise UsageError(f"-{name} is a number, not {text}")
    return int(text)


def _features(options: Options) -> Features:
    """Return what the flags say about the format."""
    on = options.switches
    if not on["longnames"]:
        raise UsageError("-longnames=false is not available: views need long names")
    long_name_max = _number(options, "longnamemax", 0) or NAME_MAX
    if not LONG_NAME_MAX_LEAST <= long_name_max <= NAME_MAX:
        raise UsageError(
            f"-longnamemax is {long_name_max}, not {LONG_NAME_MAX_LEAST} to {NAME_MAX}"
        )
    if on["xchacha"]:
        cipher = Cipher.XCHACHA20_POLY1305
    else:
        cipher = Cipher.AES_SIV if on["aessiv"] or on["reverse"] else Cipher.AES_GCM
    plaintext_names = on["plaintextnames"]
    return Features(
        cipher=cipher,
        plaintext_names=plaintext_names,
        dir_iv=not plaintext_names and not on["deterministic-names"],
        raw64=on["raw64"] and not plaintext_names,
        hkdf=on["hkdf"],
        long_name_max=long_name_max,
    )


def _passphrase(options: Options) -> PassphraseSource:
    extpass = options.lists["extpass"]
    # gocryptfs splits a single value at spaces, several not at all.
    command = extpass[0].split(" ") if len(extpass) == 1 else extpass
    return PassphraseSource(options.lists["passfile"], command)


def _master_key(options: Options) -> bytes | None:
    """Return the key that is given instead of a passphrase, if one is."""
    text = options.values.get("masterkey")
    if text is None and not options.switches["zerokey"]:
        return None
    if options.lists["passfile"] or options.lists["extpass"]:
        raise UsageError("-masterkey and -zerokey exclude -passfile and -extpass")
    if text is None:
        return bytes(MASTER_KEY_SIZE)
    return read_master_key("-") if text == "stdin" else parse_master_key(text)


def _paths(options: Options, count: int, expected: str) -> list[str]:
    if len(options.paths) != count:
        raise UsageError(
            f"expected {expected}, got {len(options.paths)} paths",
            hint="see revcrypt --help for the commands",
        )
    return options.paths


def _init(options: Options) -> ExitCode:
    if not options.switches["reverse"]:
        raise UsageError(
            "revcrypt creates no forward directories",
            hint="use gocryptfs -init, or add -reverse to show a plain directory",
        )
    [plaindir] = _paths(options, 1, "PLAINDIR")
    if "masterkey" in options.values or options.switches["zerokey"]:
        raise UsageError("-init makes a fresh master key; it takes none")
    return init.initialise(
        init.Request(
            plaindir=plaindir,
            config=configs.reverse_config_path(plaindir, options.values.get("config")),
            passphrase=_passphrase(options),
            features=_features(options),
            scrypt_log_n=_number(options, "scryptn", init.SCRYPT_LOG_N),
            quiet=options.switches["q"],
        )
    )


def _passwd(options: Options) -> ExitCode:
    [directory] = _paths(options, 1, "DIR")
    config = _config(options, directory)
    log_n = "scryptn" in options.values

    def open_key() -> Key:
        master_key = _master_key(options)
        proof = None
        if master_key is None:
            key = configs.unlock(config, _passphrase(options))
        else:
            key = Key(master_key, configs.read(config).features, is_proven=False)
            proof = None if options.switches["reverse"] else directory
        proven.establish(key, config, proof)
        return key

    logs.set_level(quiet=options.switches["q"], debug=False)
    return passwd.change(
        passwd.Request(
            config=config,
            open_key=open_key,
            # As in the current gocryptfs, -passfile is for the one that is there.
            new=PassphraseSource(
                question="New passphrase: ", credential="new-passphrase"
            ),
            scrypt_log_n=_number(options, "scryptn", 0) if log_n else None,
        )
    )


def _config(options: Options, directory: str) -> ConfigPath:
    is_plain = options.switches["reverse"]
    find = configs.reverse_config_path if is_plain else configs.forward_config_path
    return find(directory, options.values.get("config"))


def _mount(options: Options) -> ExitCode:
    on = options.switches
    source, mountpoint = _paths(options, 2, "CIPHERDIR MOUNTPOINT")
    config = _config(options, source)
    request = mounting.Request(
        source=source,
        mountpoint=mountpoint,
        config=config,
        open_key=partial(_open_key, options, config),
        fsname=options.values.get("fsname"),
        allow_other=on["allow_other"],
        users=users.user_ids(options.lists["allow_user"]),
        groups=users.group_ids(options.lists["allow_group"]),
        ignore_modes=on["reverse"] and on["ignore_modes"],
        owner=users.parse_owner(options.values.get("force_owner")),
        secrets=options.lists["passfile"],
        noexec=on["noexec"],
        nonempty=on["nonempty"],
        again=options.is_from_mount,
        remount=on["remount"],
        foreground=on["fg"],
        quiet=on["q"],
        debug=on["debug"],
    )
    given: Mapping[str, Any] = options.switches | options.values | options.lists
    left_out = filters.Filters.of(given)
    if on["reverse"]:
        return mounting.mount_reverse(
            request, show_config=not on["no-show-config"], left_out=left_out
        )
    if on["ignore_modes"]:
        raise UsageError("only a reverse view, which is encrypted, can ignore modes")
    if left_out != filters.Filters():
        raise FilterError("only a reverse view can leave out anything")
    return mounting.mount_forward(request, lenient=False)


def _open_key(options: Options, config: ConfigPath) -> Key:
    """Return the key; with a master key, the flags alone say how to use it."""
    master_key = _master_key(options)
    if master_key is not None:
        return Key(master_key, _features(options), is_proven=False)
    return configs.unlock(config, _passphrase(options))
