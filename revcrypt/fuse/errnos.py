"""The only table from exception to errno."""

from errno import EIO, ENODATA, ENOENT, ENOMEM, ENOSYS, ESTALE

from revcrypt.errors import (
    BadNameError,
    DataError,
    NoAttributeError,
    StaleNodeError,
)


def errno_of(error: Exception) -> int:
    """Return the errno that a client sees for *error*."""
    match error:
        case BadNameError():
            return ENOENT
        case NoAttributeError():
            return ENODATA
        case StaleNodeError():
            # The kernel answers this one itself: it looks the path up anew and
            # tries once more before a program hears of it.
            return ESTALE
        case MemoryError():
            return ENOMEM
        case OSError(errno=int(number)) if number != ENOSYS:
            # To the kernel, ENOSYS means never to ask such a thing again.
            return number
    return EIO


def is_expected(error: Exception) -> bool:
    """Tell whether *error* can happen without a mistake of ours."""
    return isinstance(error, DataError | OSError | MemoryError)


def is_damage(error: Exception) -> bool:
    """Tell whether *error* says that data are not what they should be."""
    return isinstance(error, DataError) and errno_of(error) == EIO
