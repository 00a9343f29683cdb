"""Files in a zip archive, opened so that a read never unpacks more than is asked for."""

import zipfile
from typing import IO

_IN_PARTS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def open_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """Open a file of an archive.

    Raises:
        ValueError: If it is compressed by another method than deflate: of these, zipfile unpacks
            all that it has read, and a kilobyte may hold gigabytes.
    """
    if info.compress_type not in _IN_PARTS:
        raise ValueError("compressed by another method than deflate: pack it anew")
    return archive.open(info)
