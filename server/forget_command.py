"""`talaqqi forget`: delete all that is kept of a student."""

import argparse
import asyncio
import json

from server.storage.place import add_place_arguments, kept_url


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `talaqqi forget`."""
    parser.add_argument("subject", help="the `sub` of the student's tokens")
    add_place_arguments(parser)
    parser.add_argument("--json", action="store_true", help='JSON: {"deleted": true}')


def run(arguments: argparse.Namespace) -> int:
    """Delete; status 1 when there was nothing to delete. A server may be running meanwhile."""
    url = kept_url(arguments.database, arguments.data)
    deleted = asyncio.run(_forget(url, arguments.subject))
    if arguments.json:
        print(json.dumps({"deleted": deleted}))
    else:
        print("deleted" if deleted else "nothing is kept of this student")
    return 0 if deleted else 1


async def _forget(url: str, subject: str) -> bool:
    from server.storage.database import opened
    from server.storage.erasure import forget

    async with opened(url) as database:
        return await forget(database, subject)
