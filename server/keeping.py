"""Whose a session is, and that what happens in it is kept.

A student is the subject of a token of the role `student`. Where no token is asked for, on a machine of one's own, the
browser is: its page gets a cookie with a random id, which no other site can send (`SameSite=Strict`) and no script
read.
Of nobody else anything is kept: session tokens name no person, probes recite to measure, operators to try.
"""

import re
import secrets
from typing import TYPE_CHECKING

from aiohttp import web

from recitation.tajweed.moshaf import Moshaf, MoshafError
from server.auth import PREFIX, Tokens
from server.config import Config
from server.handshake import of_this_machine
from server.roles import Holder, Role
from server.session import Session
from server.storage.record import Record, Student

if TYPE_CHECKING:
    from server.storage.storage import Storage

COOKIE = "talaqqi_student"
COOKIE_LIFE_S = 400 * 86_400
"""The longest that browsers keep one (RFC 6265bis 5.5)."""
BROWSER = "browser:"
"""Before the ids of cookies, so that they are nobody's subject."""
_ID = re.compile(r"[\w-]{22}", re.ASCII)


class Keeping:
    """See the module's docstring."""

    def __init__(self, config: Config, tokens: Tokens, storage: "Storage") -> None:
        self.storage = storage
        self._config, self._tokens = config, tokens

    def by_browser(self, request: web.Request) -> bool:
        """No token is asked for, and the request comes from a browser on this machine."""
        return not self._tokens.required and self._config.watched_when_open and of_this_machine(request)

    def student(self, request: web.Request, holder: Holder) -> Student | None:
        """Who asks, as a student of whom something may be kept."""
        if self._tokens.required:
            named = holder.role is Role.STUDENT and not holder.sub.startswith(PREFIX)
            return Student(holder.sub, holder.name, holder.classes) if named else None
        id = request.cookies.get(COOKIE, "")
        known = self.by_browser(request) and _ID.fullmatch(id)
        return Student(BROWSER + id, "", holder.classes) if known else None

    def name_browser(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give the browser that loads the page its id, or let it keep it for longer."""
        if not self.by_browser(request):
            return
        id = request.cookies.get(COOKIE, "")
        if not _ID.fullmatch(id):
            id = secrets.token_urlsafe(16)
        response.set_cookie(COOKIE, id, max_age=COOKIE_LIFE_S, path="/", httponly=True, samesite="Strict")

    async def begin(self, session: Session, student: Student) -> None:
        """Keep what happens in a session that begins, and judge it by the settings that the student chose last."""
        session.keep(await self._record(session, student))
        reading = await self.storage.reading(student.subject)
        if reading:
            try:
                session.read_by(Moshaf.parse(reading))
            except MoshafError:  # Chosen before a setting was given up.
                return

    async def _record(self, session: Session, student: Student) -> Record:
        """Of a session from a snapshot what was kept before goes on; where that cannot be had, another part begins."""
        if session.kept is None:
            return self.storage.record(session.id, student, session.verses)
        record = await self.storage.record_again(session.id, student, session.kept.passage_from)
        part = f"{session.id}-{secrets.token_hex(4)}"
        return self.storage.record(part, student, session.verses) if record is None else record
