"""The database: SQLite in a file, or PostgreSQL, opened and brought up to date."""

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.util import CommandError
from sqlalchemy import Connection, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from server.config import ConfigError

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
MIGRATIONS = Path(__file__).parent / "migrations"

CONNECTIONS = 4
"""The writer's, and three to read with; who finds none free waits."""
POOL_WAIT_S = 5.0
CONNECT_DEADLINE_S, COMMAND_DEADLINE_S = 5, 30
BUSY_MS = 5000
"""Another process may be writing into the same file (`talaqqi forget`)."""

MIGRATING = 0x74616C61
"""Advisory lock of PostgreSQL under which tables are brought up to date: servers may start at the same time."""

Upsert = sqlite.Insert | postgresql.Insert

logger = logging.getLogger(__name__)


class Database:
    """One database. `open` must be awaited before anything else is asked of it."""

    def __init__(self, url: str, *, make: bool = True) -> None:
        """Connects to nothing yet. `make`: make the file of SQLite where there is none. Raises ConfigError."""
        self.url = read_url(url)
        self._make = make
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        waiting: dict[str, Any] = {"pool_size": CONNECTIONS, "max_overflow": 0, "pool_timeout": POOL_WAIT_S}
        if self.is_sqlite:
            waiting |= {"connect_args": {"timeout": BUSY_MS / 1000}}
        else:
            waiting |= {"connect_args": {"timeout": CONNECT_DEADLINE_S, "command_timeout": COMMAND_DEADLINE_S}}
            waiting |= {"pool_pre_ping": True}
        try:
            self.engine: AsyncEngine = create_async_engine(self.url, **waiting)
        except ModuleNotFoundError as error:
            raise ConfigError(f"{error.name} is not installed: pip install 'talaqqi[postgres]'") from error
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _configure_sqlite)

    async def open(self) -> None:
        """Make the file or reach the server, and bring the tables up to date. Raises ConfigError."""
        if self.is_sqlite:
            path = Path(self.url.database or "")
            if not self._make and not path.is_file():
                raise ConfigError(f"there is no database {path}; name it with --database or its folder with --data")
            _make_private(path)
        try:
            async with self.engine.connect() as connection:
                await self._migrate(connection)
        except CommandError as error:
            raise ConfigError(f"the database {self} was made by a newer Talaqqi ({error})") from error
        except (DBAPIError, OSError, TimeoutError) as error:
            await self.engine.dispose()
            reason = error.orig if isinstance(error, DBAPIError) else error
            raise ConfigError(f"the database {self} cannot be opened: {reason or type(reason).__name__}") from error

    async def _migrate(self, connection: AsyncConnection) -> None:
        """One process at a time, and whole or not at all."""
        if self.is_sqlite:
            await connection.execute(text("PRAGMA journal_mode = WAL"))
            await connection.rollback()
            await connection.execute(text("BEGIN IMMEDIATE"))
        else:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
        await connection.run_sync(migrate)
        await connection.commit()

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()

    def insert(self, table: Table) -> Upsert:
        """An insert that can say what to do where a row is there already."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    async def scrub(self, tables: Iterable[Table]) -> None:
        """After a deletion: leave nothing of the rows in the files.

        SQLite overwrites what is deleted (`secure_delete`), but older pages stay in the write-ahead log until it is
        emptied into the file; the file is made smaller then. PostgreSQL frees dead rows when it vacuums.
        """
        async with self.engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            if self.is_sqlite:
                # A script, because each step of this vacuum frees one page and `execute` takes the first only.
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
                await driver.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
            else:
                for table in tables:
                    await connection.execute(text(f'VACUUM "{table.name}"'))

    def __str__(self) -> str:
        """To be shown: without the password."""
        return self.url.database or "" if self.is_sqlite else self.url.render_as_string(hide_password=True)


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database that is there, for a command; closed in the end. Raises ConfigError."""
    database = Database(url, make=False)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def read_url(given: str) -> URL:
    """`sqlite:///FILE` or `postgresql://USER@HOST/NAME` with the driver we use. Raises ConfigError."""
    try:
        url = make_url(given)
    except ArgumentError as error:
        raise ConfigError(
            "the database is no URL: write sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or none"
        ) from error
    driver = DRIVERS.get(url.drivername)
    if driver is None:
        raise ConfigError(f"a database of the kind {url.drivername!r}: sqlite and postgresql can be used, or none")
    if driver.startswith("sqlite") and not url.database:
        raise ConfigError("the database sqlite:// names no file; write sqlite:////absolute/path or sqlite:///relative")
    return url.set(drivername=driver)


def migrate(connection: Connection) -> None:
    """Bring the tables of a connection up to date. Raises CommandError for a database from the future."""
    config = AlembicConfig(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    # Alembic tells of each step at INFO, which is nobody's business while a server starts.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    command.upgrade(config, "head")


def _make_private(path: Path) -> None:
    """A folder and a file that only their owner may read. Raises ConfigError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise ConfigError(
            f"the database {path} cannot be written: {(error.strerror or str(error)).lower()}; name a folder with "
            "--data, or keep nothing with --database none"
        ) from error


def _configure_sqlite(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # The first only counts before there is a table, the others belong to each connection.
    for pragma in ("auto_vacuum = INCREMENTAL", "foreign_keys = ON", "secure_delete = ON", "synchronous = NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
