"""Consent, without sockets: nobody listens before the student agreed, and nobody goes on after it was taken back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.audience import MOST_LISTENERS, Audience, Crowded, Ear, NotAllowed
from server.messages import Listened


class Student:
    """What the student was told, and the audience they have."""

    def __init__(self) -> None:
        self.told: list[Listened] = []
        self.audience = Audience(lambda: self.told.append(self.audience.told()))


def test_the_student_is_asked_once_and_answers() -> None:
    student = Student()
    for _ in range(3):
        with pytest.raises(NotAllowed, match="is being asked"):
            student.audience.ask()
    assert student.told == [Listened(None, (), True)], "asked once, however often a teacher tries"
    student.audience.decide(True)
    student.audience.ask()
    assert student.told[1:] == [Listened(True, (), False)]


def test_who_said_no_is_not_asked_again() -> None:
    student = Student()
    student.audience.decide(False)
    with pytest.raises(NotAllowed, match="does not want"):
        student.audience.ask()
    assert student.told == [Listened(False, (), False)]


def test_a_place_is_for_so_many() -> None:
    student = Student()
    student.audience.decide(True)
    ears = [student.audience.enter(str(n), lambda: None) for n in range(MOST_LISTENERS)]
    with pytest.raises(Crowded):
        student.audience.enter("one more", lambda: None)
    student.audience.leave(ears[1])
    student.audience.enter("one more", lambda: None)
    assert student.told[-1].by == ("0", "2", "3", "one more")


def test_nobody_comes_to_a_session_that_is_over() -> None:
    student, gone = Student(), []
    student.audience.decide(True)
    student.audience.enter("teacher", lambda: gone.append(1))
    student.audience.dismiss()
    assert gone == [1]
    with pytest.raises(NotAllowed, match="over"):
        student.audience.enter("teacher", lambda: None)


@given(st.lists(st.sampled_from(["enter", "leave", "yes", "no"]), max_size=40))
def test_whatever_happens_the_student_knows_who_listens_and_nobody_does_without_leave(deeds: list[str]) -> None:
    student = Student()
    listening: list[tuple[str, Ear]] = []

    def comes(name: str) -> None:
        ear = student.audience.enter(name, lambda: listening.remove(next(one for one in listening if one[0] == name)))
        listening.append((name, ear))

    for n, deed in enumerate(deeds):
        match deed:
            case "enter":
                try:
                    comes(str(n))
                except (NotAllowed, Crowded):
                    assert student.audience.may is not True or len(listening) == MOST_LISTENERS
            case "leave" if listening:
                student.audience.leave(listening.pop(0)[1])
            case "yes" | "no":
                student.audience.decide(deed == "yes")
        assert not listening or student.audience.may
        assert student.audience.told().by == tuple(name for name, _ in listening)
        assert not student.told or student.told[-1] == student.audience.told()
