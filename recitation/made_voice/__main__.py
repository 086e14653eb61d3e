"""``python -m recitation.made_voice recite 1:1-7 out.wav`` and ``... samples static/samples``."""

import argparse
import sys
from pathlib import Path

from recitation.made_voice.command import add_arguments, run, write_samples


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m recitation.made_voice", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_arguments(commands.add_parser("recite", help="recite verses into a file"))
    samples = commands.add_parser("samples", help="make the samples of the student page")
    samples.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "recite":
        return run(arguments)
    write_samples(arguments.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
