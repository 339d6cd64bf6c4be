"""A real PostgreSQL server for a session of tests: of Debian's package, in a folder in memory, gone at the end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """Where `initdb` and `pg_ctl` are; None where there are none."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a new server on the loopback address. It refuses to run as root, so root lends it a user."""
    place = programs()
    assert place is not None
    user = "postgres" if os.geteuid() == 0 else None
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]

    # Not in pytest's folder, which other users may not enter.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data:
        if user is not None:
            shutil.chown(data, user)

        def run(program: str, *arguments: str) -> None:
            command = [str(place / program), "-D", data, *arguments]
            with open(os.devnull, "w") as nowhere:
                done = subprocess.run(command, user=user, cwd="/", stdout=nowhere, stderr=nowhere, check=False)
            assert done.returncode == 0, Path(data, "log").read_text() if Path(data, "log").exists() else command

        run("initdb", "--auth=trust", "--username=tester", "--no-sync", "--encoding=UTF8", "--locale=C")
        given = (f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off",
                 "max_connections=200")  # fmt: skip
        run("pg_ctl", "-w", "-l", f"{data}/log", "-o", " ".join(f"-c {each}" for each in given), "start")
        try:
            yield f"postgresql+psycopg://tester@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
