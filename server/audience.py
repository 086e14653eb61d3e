"""Who listens to a student, and whether they may: the student's consent, without sockets or sound.

Nobody may until the student has said so. A teacher who asks before is refused, and the student is asked. What the
student says holds for the session, is kept only in what the session is resumed from, and may be taken back at any
time, which ends the listening.
"""

from collections.abc import Callable
from dataclasses import dataclass

from server.messages import Listened

MOST_LISTENERS = 4
"""At one session."""


class NotAllowed(Exception):
    """The student has not agreed. The message is for the teacher."""


class Crowded(Exception):
    """MOST_LISTENERS listen already."""


@dataclass(frozen=True, slots=True, eq=False)
class Ear:
    """One who listens."""

    name: str
    dismissed: Callable[[], None]
    """Called once, when the student takes consent back or the session is over."""


class Audience:
    """Those who listen to one session."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """`changed` is called whenever what `told` says has changed."""
        self.may: bool | None = None
        """What the student said; None: nothing yet."""
        self._asked = False
        self._over = False
        self._ears: list[Ear] = []
        self._changed = changed

    def ask(self) -> None:
        """A teacher would like to listen. Raises NotAllowed, after the student was asked where that was not done yet;
        Crowded."""
        if self._over:
            raise NotAllowed("the session is over")
        if self.may is None:
            if not self._asked:
                self._asked = True
                self._changed()
            raise NotAllowed("the student has not agreed to be listened to yet, and is being asked")
        if not self.may:
            raise NotAllowed("the student does not want to be listened to")
        if len(self._ears) >= MOST_LISTENERS:
            raise Crowded(f"{MOST_LISTENERS} teachers listen to this student already")

    def enter(self, name: str, dismissed: Callable[[], None]) -> Ear:
        """Listen from now on. Raises what `ask` does."""
        self.ask()
        ear = Ear(name, dismissed)
        self._ears.append(ear)
        self._changed()
        return ear

    def leave(self, ear: Ear) -> None:
        """Listen no longer; nothing happens to one who was dismissed."""
        if ear in self._ears:
            self._ears.remove(ear)
            self._changed()

    def decide(self, may: bool) -> None:
        """The student says whether teachers may listen."""
        self.may, self._asked = may, False
        if not may:
            self._send_away()
        self._changed()

    def dismiss(self) -> None:
        """The session is over."""
        self._over = True
        self._send_away()

    def told(self) -> Listened:
        """What the student is to know of it."""
        return Listened(self.may, tuple(ear.name for ear in self._ears), self._asked)

    def _send_away(self) -> None:
        ears, self._ears = self._ears, []
        for ear in ears:
            ear.dismissed()
