"""`talaqqi labels`: the verdicts that teachers overruled, for whoever trains or measures."""

import argparse
import asyncio
import sys

import msgspec

from server.storage.answers import Label
from server.storage.place import add_place_arguments, kept_url


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `talaqqi labels`."""
    add_place_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Print them, oldest first."""
    url = kept_url(arguments.database, arguments.data)
    for label in asyncio.run(_labels(url)):
        if arguments.json:
            sys.stdout.write(msgspec.json.encode(label).decode() + "\n")
        else:
            print(f"{label.at}  {label.was} -> {label.status}  by {label.by or 'a teacher'}")
    return 0


async def _labels(url: str) -> list[Label]:
    from server.storage.database import opened
    from server.storage.labels import labels

    async with opened(url) as database, database.engine.connect() as connection:
        return [label async for label in labels(connection)]
