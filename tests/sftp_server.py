"""An SFTP server for one user: ``python sftp_server.py FOLDER`` serves what is below FOLDER/files.

It writes the user's key to FOLDER/key and, once it answers, its port to FOLDER/port.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path

import asyncssh


async def serve(folder: Path) -> None:
    """Answer until terminated."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / "key")
    (folder / "files").mkdir()
    server = await asyncssh.listen(
        "127.0.0.1",
        port=0,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=asyncssh.import_authorized_keys(key.export_public_key().decode()),
        sftp_factory=partial(asyncssh.SFTPServer, chroot=bytes(folder / "files")),
    )
    (folder / "port.partial").write_text(str(server.get_port()))
    (folder / "port.partial").rename(folder / "port")
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
