"""A server that is sent what nobody meant."""

import socket
from dataclasses import dataclass, field

from server.app import Server

TOKEN = "fuzzing-token-7c1f"


@dataclass
class Target:
    """The server under fire."""

    port: int
    server: Server
    faults: list[str] = field(default_factory=list)
    """What was logged as an error."""

    def ask(self, request: bytes, wait_s: float = 0.25, first_s: float = 5.0) -> bytes:
        """Send bytes, and read until the server closes, or says nothing for `first_s` or no more for `wait_s`."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.settimeout(first_s)
            try:
                connection.sendall(request)
                while piece := connection.recv(65_536):
                    answer += piece
                    connection.settimeout(wait_s)
            except (TimeoutError, ConnectionError):
                pass
        return answer

    def lives(self) -> bool:
        """It still answers."""
        answer = self.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 60, 60)
        return answer.startswith(b"HTTP/1.1 200")
