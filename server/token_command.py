"""`talaqqi token`: mint a token for a student, a teacher, a probe or an operator."""

import argparse
import json
import re
import secrets
import time
from pathlib import Path

from server.config import ConfigError
from server.roles import Role, mint, read_secret

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

MOST_LIFE_S = 30 * 86_400
"""A token cannot be taken back, so it is not to live long."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `talaqqi token`."""
    parser.add_argument("--role", type=Role, choices=list(Role), required=True, help="what its holder is")
    parser.add_argument(
        "--class",
        dest="classes",
        action="append",
        default=[],
        metavar="NAME",
        help="class of a student or a teacher; repeat for more",
    )
    parser.add_argument("--name", default="", help="name that the teacher is shown (a guest's number)")
    parser.add_argument("--sub", metavar="ID", help="id of the person in your own system (a random one)")
    parser.add_argument("--life", default="8h", metavar="TIME", help="how long it is good, as 30m, 8h or 7d (8h)")
    parser.add_argument(
        "--secret-file", type=Path, required=True, metavar="FILE", help="the secret that the server was given"
    )
    parser.add_argument("--json", action="store_true", help="JSON with the time of its end")


def run(arguments: argparse.Namespace) -> int:
    """Print a token."""
    now = time.time()
    life_s = seconds(arguments.life)
    sub = arguments.sub or secrets.token_urlsafe(9)
    token = mint(
        read_secret(arguments.secret_file),
        arguments.role,
        sub=sub,
        classes=arguments.classes,
        name=arguments.name,
        now=now,
        life_s=life_s,
    )
    print(json.dumps({"token": token, "sub": sub, "expires": round(now + life_s)}) if arguments.json else token)
    return 0


def seconds(text: str) -> float:
    """Seconds of a life such as 8h. Raises ConfigError."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    life_s = int(found[1]) * UNITS_S[found[2]] if found else 0
    if not 0 < life_s <= MOST_LIFE_S:
        raise ConfigError(f"a life of {text!r}: write 90s, 30m, 8h or 7d, at most {MOST_LIFE_S // 86_400}d")
    return life_s
