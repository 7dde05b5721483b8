# SPDX-License-Identifier: Apache-2.0
"""What fixtures of any scope are made of."""
import contextlib
import os
import tempfile

from lab.postgres import PrivatePostgres

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@contextlib.contextmanager
def a_folder():
    with tempfile.TemporaryDirectory(prefix="tandem-test-") as path:
        os.chmod(path, 0o755)
        yield path


@contextlib.contextmanager
def a_database(folder):
    database = PrivatePostgres(os.path.join(folder, "pg")).create()
    try:
        yield database
    finally:
        database.close()
