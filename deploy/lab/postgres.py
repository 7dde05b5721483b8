# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL: its own data folder, a Unix socket in it, no TCP."""
import glob
import os
import pwd
import shutil
import subprocess

USER = "postgres"  # PostgreSQL refuses to run as root


def _programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed (deploy/packages demo)")
    return found[-1]


class PrivatePostgres:
    def __init__(self, folder, database="tandem"):
        self.folder, self.database = os.path.abspath(folder), database
        self.data = os.path.join(self.folder, "data")
        self.bin = _programs()
        self.connection = f"host={self.folder} user={USER} dbname={database}"

    def _as_owner(self, *argv, check=True):
        if os.geteuid() == 0:
            argv = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--") + argv
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")
        if check and done.returncode != 0:
            raise RuntimeError(f"{argv[-1]}: {done.stdout}")
        return done.stdout

    def create(self, settings=()):
        """A fresh, empty cluster with the database in it, started."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        owner = pwd.getpwnam(USER)
        os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        os.chmod(self.folder, 0o755)
        self._as_owner(f"{self.bin}/initdb", "-D", self.data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C",
                       "--no-sync")
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            conf.write("listen_addresses = ''\n"
                       f"unix_socket_directories = '{self.folder}'\n"
                       "shared_buffers = 64MB\nmax_wal_size = 512MB\nlog_min_messages = warning\n")
            conf.writelines(f"{line}\n" for line in settings)
        self.start()
        self._as_owner(f"{self.bin}/createdb", "-h", self.folder, "-U", USER, self.database)
        return self

    def start(self):
        self._as_owner(f"{self.bin}/pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", f"{self.folder}/log", "start")

    def stop(self, mode="fast"):
        """mode: smart, fast or immediate (no shutdown at all: as after a power cut)."""
        self._as_owner(f"{self.bin}/pg_ctl", "-D", self.data, "-w", "-t", "60", "-m", mode, "stop", check=False)

    def pid(self):
        """The process whose children are all the others."""
        with open(os.path.join(self.data, "postmaster.pid")) as file:
            return int(file.readline())

    def query(self, sql):
        """Rows as lists of strings ('' for NULL)."""
        out = subprocess.run([f"{self.bin}/psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1",
                              "-d", self.connection, "-c", sql], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if out.returncode != 0:
            raise RuntimeError(out.stdout.strip())
        return [line.split("\t") for line in out.stdout.splitlines()]

    def value(self, sql):
        rows = self.query(sql)
        return rows[0][0] if rows else None

    def close(self):
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
