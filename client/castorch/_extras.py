"""Optional packages: imported when first needed, refused with the extra to install."""

from importlib import import_module
from types import ModuleType

from castorch._errors import MissingExtra


def need(package: str, purpose: str, *, extra: str) -> ModuleType:
    """Import an optional package.

    Args:
        package: the import name.
        purpose: what it is for, as the beginning of a sentence.
        extra: the extra of this distribution that brings it.

    Raises:
        MissingExtra: it is not installed; the message says what to install.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingExtra(
            f"{purpose} needs the package {package!r}, which is not installed; "
            f"pip install 'castorch[{extra}]'",
            package=package,
            extra=extra,
        ) from error
