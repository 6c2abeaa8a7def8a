"""Refuses and remembers every attempt to reach another host, by an audit hook: below all libraries, in this process, for good.

Also for child processes: ``python -c "import guard; guard.install(); ...; guard.check()"`` with this folder in PYTHONPATH.
"""

import ipaddress
import socket
import sys

attempts: list[str] = []
"""What was tried, e.g. "socket.getaddrinfo example.org"."""

_HOST = {
    "socket.connect": lambda sock, address: address[0] if sock.family in (socket.AF_INET, socket.AF_INET6) else None,
    "socket.sendto": lambda sock, address: address[0] if sock.family in (socket.AF_INET, socket.AF_INET6) else None,
    "socket.getaddrinfo": lambda host, *_: host,
    "socket.gethostbyname": lambda host: host,
    "socket.gethostbyaddr": lambda host: host,
}


def _is_here(host: str | bytes | None) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", "0.0.0.0", "::"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _hook(event: str, arguments: tuple) -> None:
    if event in _HOST and not _is_here(host := _HOST[event](*arguments)):
        attempts.append(f"{event} {host}")
        raise OSError(f"tests reach no other host: {event} {host}")


def install() -> None:
    """Begin; there is no way back."""
    sys.addaudithook(_hook)


def check() -> None:
    """Fail if anything was tried since the last check, even if the code under test swallowed the error."""
    tried = attempts.copy()
    attempts.clear()
    assert not tried, f"tried to reach another host: {tried}"
