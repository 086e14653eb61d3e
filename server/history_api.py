"""History and progress over HTTP: a student's own, those of a class for its teachers, and their deletion.

What somebody may not see is not there (404): nobody learns which sessions and students exist.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from recitation.tajweed.moshaf import Moshaf, MoshafError
from server.auth import PREFIX, Forbidden, Refused, Tokens
from server.config import Config
from server.handshake import authorization, of_an_allowed_site
from server.keeping import Keeping
from server.metrics import Metrics
from server.problems import permitted, problem
from server.roles import Holder, Role
from server.storage.answers import Choice, Progress, Settings
from server.storage.record import Student

if TYPE_CHECKING:
    from server.storage.storage import SessionFound, Storage

PAGE, MOST_PAGE = 20, 100
"""Sessions in an answer: unless told otherwise, and at most."""
DAYS, MOST_DAYS = 30, 366
MOST_OFFSET_MIN = 24 * 60
MOST_NUMBER = 2**53
BODY_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks."""

    holder: Holder
    student: Student | None
    """As a student with a history."""
    rules: bool
    """An operator, who may see and delete everything."""

    @property
    def own(self) -> Student:
        """Raises Forbidden for who has no history."""
        if self.student is None:
            raise Forbidden(f"the token of this {self.holder.role} names no student, so there is no history of its own")
        return self.student

    def may_see(self, session: "SessionFound") -> bool:
        """Their own, or one of a class that they watch."""
        own = self.student is not None and self.student.subject == session.subject
        return own or self.rules or any(self.watches(name) for name in session.classes)

    def watches(self, class_name: str) -> bool:
        """They may see the sessions of a class."""
        return self.rules or (class_name in self.holder.classes and self.holder.may_watch(class_name))


class HistoryApi:
    """The endpoints. Without a `Keeping` nothing is kept, and every answer is 404."""

    def __init__(self, config: Config, tokens: Tokens, keeping: Keeping | None, metrics: Metrics) -> None:
        self._config, self._tokens, self._metrics = config, tokens, metrics
        self._keeping = keeping

    def routes(self) -> Iterator[web.RouteDef]:
        """For the application."""
        yield web.get("/api/history", self.history)
        yield web.delete("/api/history", self.forget)
        yield web.get("/api/history/{session}", self.session)
        yield web.get("/api/progress", self.progress)
        yield web.get("/api/settings", self.settings)
        yield web.put("/api/settings", self.choose)
        yield web.get("/api/class/students", self.students)
        yield web.get("/api/class/{student:[0-9]{1,15}}/history", self.history_in_class)
        yield web.get("/api/class/{student:[0-9]{1,15}}/progress", self.progress_in_class)

    async def history(self, request: web.Request) -> web.Response:
        """The asker's own sessions, newest first."""
        storage, own = self._own(request)
        before, limit = _number(request, "before", None, 1, MOST_NUMBER), _whole(request, "limit", PAGE, 1, MOST_PAGE)
        student = await storage.number_of(own.subject) or 0
        return _answer(await storage.history(student, None, before=before, limit=limit))

    async def session(self, request: web.Request) -> web.Response:
        """One session by ayah, by rule and by letter."""
        storage, asker = self._asker(request)
        found = await storage.session(request.match_info["session"])
        if found is None or not asker.may_see(found):
            raise problem(web.HTTPNotFound, "there is no such session")
        return _answer(await storage.detail(found.number))

    async def progress(self, request: web.Request) -> web.Response:
        """The asker's own progress."""
        storage, own = self._own(request)
        return _answer(await self._progress(request, storage, await storage.number_of(own.subject) or 0, None))

    async def forget(self, request: web.Request) -> web.Response:
        """Delete all that is kept of the asker, or by an operator of anybody."""
        storage, asker = self._asker(request)
        subject = request.query.get("student")
        if subject is not None:
            self._permit(asker.rules, "only an operator deletes what is kept of somebody else")
        else:
            subject = self._own(request)[1].subject
        return web.json_response({"deleted": await storage.forget(subject)})

    async def settings(self, request: web.Request) -> web.Response:
        """What the asker chose. Everybody is answered: a page asks before it knows whether anything is kept."""
        student = self._known(request)
        if self._keeping is None or student is None:
            return _answer(Settings(kept=False))
        return _answer(Settings(kept=True, reading=await self._keeping.storage.reading(student.subject)))

    async def choose(self, request: web.Request) -> web.Response:
        """Other settings, from the next session on."""
        storage, own = self._own(request)
        try:
            async with asyncio.timeout(BODY_DEADLINE_S):
                chosen = msgspec.json.decode(await request.read(), type=Choice)
            reading = str(Moshaf.parse(chosen.reading))
        except TimeoutError as error:
            raise problem(web.HTTPRequestTimeout, "the body took too long") from error
        except msgspec.DecodeError as error:
            raise problem(
                web.HTTPBadRequest, f'settings are {{"reading": "munfasil=5,muttasil=5"}}: {error}'
            ) from error
        except MoshafError as error:
            raise problem(web.HTTPBadRequest, str(error)) from error
        await storage.set_reading(own, reading)
        return _answer(Settings(kept=True, reading=reading))

    async def students(self, request: web.Request) -> web.Response:
        """Who recited in a class."""
        storage, class_name = self._class(request)
        return _answer(await storage.students(class_name))

    async def history_in_class(self, request: web.Request) -> web.Response:
        """A student's sessions in a class."""
        storage, class_name = self._class(request)
        student, before = int(request.match_info["student"]), _number(request, "before", None, 1, MOST_NUMBER)
        limit = _whole(request, "limit", PAGE, 1, MOST_PAGE)
        found = await storage.history(student, {class_name}, before=before, limit=limit)
        if not found.sessions:
            await _check_member(storage, student, class_name)
        return _answer(found)

    async def progress_in_class(self, request: web.Request) -> web.Response:
        """A student's progress in a class."""
        storage, class_name = self._class(request)
        student = int(request.match_info["student"])
        await _check_member(storage, student, class_name)
        return _answer(await self._progress(request, storage, student, class_name))

    async def _progress(
        self, request: web.Request, storage: "Storage", student: int, class_name: str | None
    ) -> Progress:
        days = _whole(request, "days", DAYS, 1, MOST_DAYS)
        offset_min = _whole(request, "offset_min", 0, -MOST_OFFSET_MIN, MOST_OFFSET_MIN)
        classes = None if class_name is None else {class_name}
        return await storage.progress(student, classes, days=days, offset_s=60 * offset_min)

    def _asker(self, request: web.Request) -> tuple["Storage", Asker]:
        """Raises 401, 403, 404."""
        keeping = self._keeping
        if keeping is None:
            raise problem(web.HTTPNotFound, "this server keeps no history")
        holder = permitted(self._metrics, lambda: self._tokens.holder(authorization(request)))
        # A cookie goes with the requests of our own pages only, but a token any page may have.
        self._permit(of_an_allowed_site(request, self._config.origins - {"*"}), "pages of another site may not ask")
        student = keeping.student(request, holder)
        if not self._tokens.required:
            self._permit(keeping.by_browser(request), "without a token only the machine itself may ask")
            return keeping.storage, Asker(holder, student, rules=False)
        self._permit(not holder.sub.startswith(PREFIX), "a session token names no student: nothing is kept")
        return keeping.storage, Asker(holder, student, rules=holder.role is Role.OPERATOR)

    def _known(self, request: web.Request) -> Student | None:
        """Who asks, as a student of whom something is kept."""
        if self._keeping is None or not of_an_allowed_site(request, self._config.origins - {"*"}):
            return None
        try:
            return self._keeping.student(request, self._tokens.holder(authorization(request)))
        except Refused:
            return None

    def _own(self, request: web.Request) -> tuple["Storage", Student]:
        """Raises 401, 403, 404."""
        storage, asker = self._asker(request)
        return storage, permitted(self._metrics, lambda: asker.own)

    def _class(self, request: web.Request) -> tuple["Storage", str]:
        """Raises 401, 403, 404."""
        storage, asker = self._asker(request)
        class_name = request.query.get("class", "")
        self._permit(bool(class_name), "which class: ?class=NAME")
        self._permit(asker.watches(class_name), f"the token of this {asker.holder.role} is not for this class")
        return storage, class_name

    def _permit(self, allowed: bool, otherwise: str) -> None:
        """Raises 403."""
        if not allowed:
            self._metrics.refuse("role")
            raise problem(web.HTTPForbidden, otherwise)


async def _check_member(storage: "Storage", student: int, class_name: str) -> None:
    """Raises 404 for a student who never recited in the class."""
    if not (await storage.history(student, {class_name}, before=None, limit=1)).sessions:
        raise problem(web.HTTPNotFound, "this class has no such student")


def _answer(body: msgspec.Struct) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def _whole(request: web.Request, name: str, usual: int, least: int, most: int) -> int:
    """A number of the query. Raises 400."""
    number = _number(request, name, usual, least, most)
    assert number is not None
    return number


def _number(request: web.Request, name: str, usual: int | None, least: int, most: int) -> int | None:
    text = request.query.get(name)
    if text is None:
        return usual
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise problem(web.HTTPBadRequest, f"{name} is a whole number from {least} to {most}")
    return number
