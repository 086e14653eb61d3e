"""What is kept of a recitation when it is over: sessions, verdicts, what teachers said, settings of the reading.

Never sound. A session notes what happens in a `Record` (`record`), which knows no database; one task (`writer`) asks
all records twice a second for what is new and commits it as one transaction. `database` opens SQLite or PostgreSQL and
brings its tables up to date (`migrations`); `history`, `trends` and `labels` read them, `erasure` deletes. SQLAlchemy
is imported only where a database was asked for: a server without one loads `place`, `record` and `answers`.
"""
