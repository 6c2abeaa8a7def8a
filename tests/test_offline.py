"""No code reaches another host: in fresh processes, under the guard of ``guard.py``, which every other test has as well."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAMS = {
    "import": """
        import importlib, pkgutil, restore, restore_cli, restore_web
        for package in (restore, restore_cli, restore_web):
            for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
                if not module.name.endswith("__main__"):
                    importlib.import_module(module.name)
        """,
    "tasks": """
        import numpy, restore
        picture = numpy.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=numpy.uint8)
        mask = numpy.eye(40)
        restore.list_weights()
        restore.denoise(picture, sigma=20)
        restore.dejpeg(picture, jpeg_quality=20)
        restore.deblur(picture)
        for method in ("learned", "telea", "ns", "biharmonic"):
            restore.inpaint(picture, mask, method=method)
        """,
    "demo": """
        import sys, restore_cli
        sys.argv = ["restore", "demo", "-o", "demo"]
        try:
            restore_cli.main()
        except SystemExit as end:
            assert not end.code, end.code
        """,
    "page": """
        import restore_web
        page = restore_web.build()
        page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
        page.close()
        """,
}


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    lines = [line.removeprefix(" " * 8) for line in program.splitlines()]
    code = "\n".join(["import guard", "guard.install()", *lines, "guard.check()"])
    path = os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parent / "apps")])
    environment = {**os.environ, "PYTHONPATH": path, "no_proxy": "127.0.0.1,localhost"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_reaches_no_other_host(name: str, tmp_path: Path) -> None:
    result = run(PROGRAMS[name], tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("program", "tried"),
    [
        ("import socket\ntry: socket.create_connection(('192.0.2.1', 9))\nexcept OSError: pass", "socket.getaddrinfo 192.0.2.1"),
        ("import socket\ntry: socket.socket().connect(('192.0.2.1', 9))\nexcept OSError: pass", "socket.connect 192.0.2.1"),
        ("import urllib.request\ntry: urllib.request.urlopen('http://localhost.example')\nexcept OSError: pass", "localhost.example"),
        ("import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 9))", "socket.sendto 192.0.2.1"),
    ],
)
def test_the_guard_sees_what_code_swallows(program: str, tried: str, tmp_path: Path) -> None:
    result = run(program, tmp_path)
    assert result.returncode == 1
    assert tried in result.stderr


def test_the_guard_lets_this_machine_through(tmp_path: Path) -> None:
    program = (
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(('localhost', server.getsockname()[1]))"
    )
    assert run(program, tmp_path).returncode == 0
