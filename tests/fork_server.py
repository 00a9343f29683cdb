"""Run stage scripts and DVC without waiting for `import torch` or `import dvc` each time.

``python fork_server.py SOCKET`` imports the slow third-party packages once, then forks a process
for every request. ``python fork_server.py SOCKET -m stages.X …`` stands in for the interpreter in
DVC's stage commands: it passes on its arguments, folder, environment and output, and the forked
process imports `stages` and `auxseg` anew from that folder, so stages share no state. In the same
way, ``-m dvc …`` stands in for DVC where a test waits for its end.
"""

import json
import os
import runpy
import signal
import socket
import sys
import traceback

SLOW = (
    "dvc.cli",
    "dvc.commands.repro",
    "dvc.dvcfile",
    "dvc.repo.reproduce",
    "dvc.stage.cache",
    "dvclive.live",
    "numpy",
    "pandas",
    "PIL.Image",
    "pydantic",
    "rich.progress",
    "ruamel.yaml",
    "safetensors.torch",
    "scipy.ndimage",
    "skimage.segmentation",
    "torch",
    "torchvision",
    "typer",
)


def request(path: str, arguments: list[str]) -> int:
    """Have the server run ``python arguments…`` here and return its exit code."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        message = json.dumps([os.getcwd(), arguments, dict(os.environ)]).encode()  # noqa: PTH109
        socket.send_fds(connection, [len(message).to_bytes(4, "big") + message], [1, 2])
        return int(connection.recv(16) or 1)


def serve(path: str) -> None:
    """Answer requests until terminated."""
    for name in SLOW:
        __import__(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                server.close()
                code = _answer(connection)
                connection.send(str(code).encode())
                os._exit(0)
            connection.close()


def _answer(connection: socket.socket) -> int:
    data, outputs, _, _ = socket.recv_fds(connection, 65536, 2)
    while len(data) < 4 + int.from_bytes(data[:4], "big"):
        data += connection.recv(65536)
    folder, (flag, module, *arguments), environment = json.loads(data[4:])
    assert flag == "-m"
    for number, output in enumerate(outputs, 1):
        os.dup2(output, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.argv[1:] = arguments
    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    if sys.argv[2:]:
        sys.exit(request(sys.argv[1], sys.argv[2:]))
    serve(sys.argv[1])
