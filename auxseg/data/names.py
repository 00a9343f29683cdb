"""One spelling of names."""

import unicodedata


def composed(name: str) -> str:
    """Return one spelling (NFC) of what operating systems encode differently, such as "é"."""
    return unicodedata.normalize("NFC", name)
