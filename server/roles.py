"""Roles and the tokens that carry them: JSON Web Tokens (RFC 7519), signed with a secret that the server knows.

Whoever holds the secret mints them, `talaqqi token` or the system that an operator has already. Claims: `sub`, an id of
the person; `role`; `class`, a name or a list of names; `name`, to be shown to the teacher; `exp`. With a secret only
HS256 is taken, with a public key (`server.key_set`) only what the key is for, so that a token cannot choose how it is
checked (RFC 8725 3.1).
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import jwt
import msgspec
from msgspec import Meta

from server.config import ConfigError, read_secret_file

ALGORITHM = "HS256"

SECRET_BYTES = 32
"""A key is to be as long as the hash (RFC 7518 3.2)."""

LEEWAY_S = 10.0
"""By so much the clock of the system that mints may differ from ours."""

MOST_CLASSES = 64
CLASS_CHARS, NAME_CHARS, SUB_CHARS = 64, 80, 128


class Role(StrEnum):
    """What the holder of a token is."""

    STUDENT = "student"
    """Recites, and is watched by the teachers of the token's classes."""
    TEACHER = "teacher"
    """Watches the classes of the token."""
    PROBE = "probe"
    """Recites to measure; in no class."""
    OPERATOR = "operator"
    """Recites, watches every class, ends sessions and makes session tokens."""


RECITES = frozenset({Role.STUDENT, Role.PROBE, Role.OPERATOR})
WATCHES = frozenset({Role.TEACHER, Role.OPERATOR})
IN_CLASSES = frozenset({Role.STUDENT, Role.TEACHER})


class BadToken(Exception):
    """The token was not made with our secret, is over, or says nothing that could be understood."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who asks."""

    sub: str
    role: Role
    classes: frozenset[str] = frozenset()
    name: str = ""
    """To be shown; empty for a guest."""
    expires: float = math.inf
    """Unix time."""

    def may_watch(self, class_name: str) -> bool:
        """Its holder may see the sessions of a class."""
        return self.role is Role.OPERATOR or (self.role is Role.TEACHER and class_name in self.classes)

    def owns(self, other: "Holder") -> bool:
        """Its holder may act on what `other` opened."""
        return self.role is Role.OPERATOR or (self.sub, self.role) == (other.sub, other.role)


_ClassName = Annotated[str, Meta(min_length=1, max_length=CLASS_CHARS)]


class _Claims(msgspec.Struct, frozen=True):
    """What is read of a token; other claims are passed over."""

    sub: Annotated[str, Meta(min_length=1, max_length=SUB_CHARS)]
    role: Role
    exp: float
    name: Annotated[str, Meta(max_length=NAME_CHARS)] = ""
    classes: _ClassName | Annotated[list[_ClassName], Meta(max_length=MOST_CLASSES)] = msgspec.field(
        default_factory=list[_ClassName], name="class"
    )


def mint(
    secret: str, role: Role, *, sub: str, classes: Collection[str] = (), name: str = "", now: float, life_s: float
) -> str:
    """A token, good for `life_s` seconds from Unix time `now` on. Raises ConfigError for one nobody would take."""
    if role in IN_CLASSES and not classes:
        raise ConfigError(f"a {role} is of a class: name it with --class")
    if role not in IN_CLASSES and classes:
        raise ConfigError(f"a token of the role {role} is of no class")
    claims = {"sub": sub, "role": str(role), "class": sorted(classes), "name": name, "iat": now, "exp": now + life_s}
    try:
        msgspec.convert(claims, _Claims)
    except msgspec.ValidationError as error:
        raise ConfigError(f"no such token can be made: {error}") from error
    return jwt.encode(claims, secret, ALGORITHM)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say of itself (RFC 8725 3.8, 3.9). Empty: nothing."""

    issuer: str = ""
    audience: str = ""


ANY = Expected()


def read(token: str, secret: str, expected: Expected = ANY) -> Holder:
    """Who holds a token that was signed with a secret. Raises BadToken."""
    return read_with(token, secret, ALGORITHM, expected)


def is_of_secret(token: str) -> bool:
    """A token says that it was signed with a secret; whether that is so `read` tells."""
    try:
        return bool(jwt.get_unverified_header(token).get("alg") == ALGORITHM)
    except jwt.InvalidTokenError:
        return False


def read_with(token: str, key: Any, algorithm: str, expected: Expected) -> Holder:
    """Who holds a token; `key` as PyJWT takes it for `algorithm`. Raises BadToken."""
    required = ["exp", "sub", *(["iss"] if expected.issuer else []), *(["aud"] if expected.audience else [])]
    try:
        claims = jwt.decode(
            token,
            key,
            [algorithm],
            options={"require": required, "verify_aud": bool(expected.audience)},
            issuer=expected.issuer or None,
            audience=expected.audience or None,
            leeway=LEEWAY_S,
        )
        told = msgspec.convert(claims, _Claims)
    except jwt.ExpiredSignatureError as error:
        raise BadToken("this token has expired; ask for a new one") from error
    except jwt.ImmatureSignatureError as error:
        raise BadToken("this token is not good yet") from error
    except (jwt.InvalidIssuerError, jwt.InvalidAudienceError) as error:
        raise BadToken("this token was made by another system, or for another") from error
    except (jwt.InvalidTokenError, jwt.InvalidKeyError) as error:
        raise BadToken("this token is not known here") from error
    except msgspec.ValidationError as error:
        raise BadToken("this token lacks a claim that is needed, or has one that is not understood") from error
    classes = [told.classes] if isinstance(told.classes, str) else told.classes
    if bool(classes) is not (told.role in IN_CLASSES):
        raise BadToken(f"a token of the role {told.role} {'is of no class' if classes else 'names its class'}")
    return Holder(told.sub, told.role, frozenset(classes), told.name, told.exp)


def read_secret(path: Path) -> str:
    """The secret of a file, without the spaces around it. Raises ConfigError."""
    return read_secret_file(path, "secret", SECRET_BYTES)
