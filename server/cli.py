"""The command `talaqqi`. A command's module is imported when the command is called: `--help` must not load torch."""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol, cast

DESCRIPTION = """\
Talaqqi listens to Quran recitation and follows it word by word, live in a browser or from a file.
"""

EPILOG = """\
first steps:
  talaqqi make-recitation 1:1-7 fatihah.wav       a made voice recites
  talaqqi score fatihah.wav --verses 1:1-7        what was recited, word by word
  talaqqi serve                                   then open http://127.0.0.1:8080/ and recite yourself

places are written 112 (a surah), 2:255 (an ayah), 1:1-7 (some), 2:255:3 (a word).
"talaqqi COMMAND --help" explains a command.
"""


class CommandModule(Protocol):
    """A module that holds a command."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare its options."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; the exit status."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command and where it is."""

    module: str
    summary: str
    examples: str


COMMANDS = {
    "serve": Command(
        "server.serve",
        "serve the page and its recitation sessions",
        """\
  talaqqi serve                                      on this machine only, open to all who use it
  talaqqi serve --host 0.0.0.0 --token-file tokens   for others; each request needs a token of the file
  talaqqi serve --host 0.0.0.0 --secret-file secret  for classes; tokens are made with  talaqqi token
  talaqqi serve --public-ip 203.0.113.7 ...          behind 1:1 NAT (most clouds)

  Browsers give a microphone to https pages only, localhost apart: put a TLS proxy in front.
  http://.../?token=TOKEN opens the page with a token. A teacher's program makes tokens good for one
  session each:  curl -X POST -H "Authorization: Bearer TOKEN" http://.../api/tokens
""",
    ),
    "token": Command(
        "server.token_command",
        "mint a token for a student, a teacher, a probe or an operator",
        """\
  openssl rand -hex 32 > secret                                 once; then  talaqqi serve --secret-file secret ...
  talaqqi token --secret-file secret --role student --class boys --name Bilal
  talaqqi token --secret-file secret --role teacher --class boys --class girls --life 12h

  A student opens  https://.../?token=TOKEN  and a teacher  https://.../teacher#token=TOKEN
""",
    ),
    "forget": Command(
        "server.forget_command",
        "delete all that a server keeps of a student",
        """\
  talaqqi forget bilal-17                                   the `sub` of the student's tokens
  talaqqi forget bilal-17 --database postgresql://talaqqi@localhost/talaqqi
""",
    ),
    "labels": Command(
        "server.labels_command",
        "print the verdicts that teachers overruled",
        """\
  talaqqi labels --json > labels.jsonl
""",
    ),
    "score": Command(
        "recitation.report",
        "judge a recording against a passage",
        """\
  talaqqi score fatihah.m4a --verses 1:1-7
  talaqqi score fatihah.m4a --verses 1 --json | jq '.words[] | select(.status != "accepted")'
""",
    ),
    "recognise": Command(
        "recitation.recognise",
        "print the phones heard in recordings, with times",
        """\
  talaqqi recognise a.opus b.wav
  talaqqi recognise a.opus --json
""",
    ),
    "locate": Command(
        "recitation.locate",
        "name the place of the Quran that a recording begins with",
        """\
  talaqqi locate verse.m4a
  talaqqi locate verse.m4a --seconds 3 --json
""",
    ),
    "make-recitation": Command(
        "recitation.made_voice.command",
        "synthesise a recitation, with mistakes on request",
        """\
  talaqqi make-recitation 1:1-7 fatihah.wav
  talaqqi make-recitation 112 slow.wav --tempo 0.22
""",
    ),
    "probe": Command(
        "server.probe",
        "recite a file to a server and measure its delay",
        """\
  talaqqi probe http://127.0.0.1:8080 --audio fatihah.wav --verses 1:1-7
  talaqqi probe http://127.0.0.1:8080 --audio fatihah.wav --verses 1 --loss 0.02 --sessions 4
  talaqqi probe ... --reconnect-every 10                                           sessions that lose their connection
  talaqqi probe ... --json --limit tentative.p50=250 --limit confirmed.p95=450     exit 1 when slower (cron, CI)
  talaqqi probe ... --prometheus /var/lib/node_exporter/talaqqi.prom               figures for a dashboard

  exit status: 0 good; 1 a limit was passed; 2 bad input; 3 this machine was too busy to measure, with
  --require-timing; 4 the server could not be reached, refused, or broke off
""",
    ),
    "train": Command(
        "recitation.training.run",
        "train the acoustic model (needs the extra 'train')",
        """\
  talaqqi train --help
""",
    ),
}


class _Parser(argparse.ArgumentParser):
    """Reports bad usage on one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status. Bad input is one line on standard error and status 2."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        parser, module = _parser(argv)
        arguments = parser.parse_args(argv)
        if module is None:
            parser.print_help()
            return 2
        return module.run(arguments)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read our output has left; that is no mistake of the input.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if not isinstance(error, _bad_input()) or "TALAQQI_TRACEBACK" in os.environ:
            raise
        print(f"talaqqi: {_one_line(error)}", file=sys.stderr)
        return 2


def _parser(argv: Sequence[str]) -> tuple[argparse.ArgumentParser, CommandModule | None]:
    parser = _Parser(
        prog="talaqqi",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", parser_class=_Parser)
    chosen = next((word for word in argv if not word.startswith("-")), None)
    module: CommandModule | None = None
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            epilog=f"examples:\n{command.examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            module = _load(command)
            examples = sub.epilog
            module.add_arguments(sub)
            if sub.epilog != examples:
                sub.epilog = f"{examples}\n{sub.epilog}"
    return parser, module


def _load(command: Command) -> CommandModule:
    try:
        return cast(CommandModule, importlib.import_module(command.module))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("recitation", "server"):
            raise
        raise MissingExtra(f"{error.name} is not installed; see README.md for the extras to install") from error


class MissingExtra(Exception):
    """A command needs a package that is not installed."""


def _bad_input() -> tuple[type[Exception], ...]:
    """What a command raises when its input, not its code, is wrong."""
    from recitation.acoustics.engine import ModelError
    from recitation.audio import AudioError
    from recitation.lexicon import LexiconError
    from recitation.made_voice import EspeakError, SlipError
    from recitation.mushaf import AddressError
    from recitation.tajweed.moshaf import MoshafError
    from server.config import ConfigError

    bad_text = AddressError, LexiconError, MoshafError, SlipError
    bad_sound = AudioError, EspeakError, ModelError
    return *bad_text, *bad_sound, ConfigError, MissingExtra, OSError


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
