# SPDX-License-Identifier: Apache-2.0
"""Call records from the ring to a COMMIT in PostgreSQL, against a bare binary COPY of the same rows."""
import contextlib
import os
import re
import statistics
import subprocess
import time

from . import TOP, Failed
from .machine import CORES, Layout, read
from .node import Node, config

ROUNDS = 5
FIRST_GUESS = 60000  # rows a second: how many are made for the time asked for


def columns():
    """The columns the writer fills: those of the table but the one with a default."""
    schema = read(os.path.join(TOP, "deploy", "schema.sql"))
    table = re.search(r"CREATE TABLE tandem[.]cdr \((.*?)\n[)]", schema, re.S).group(1)
    names = re.findall(r"^\t([a-z_]+) ", table, re.M)
    return ", ".join(name for name in names if name != "recorded_at")


class Writer:
    """tandem-cdrwriter alone; the producer plays signaling."""

    def __init__(self, bench, node, round_number):
        self.bench, self.node = bench, node
        self.log = open(os.path.join(bench.folder, f"cdrwriter-{round_number}.log"), "w")
        self.process = subprocess.Popen([os.path.join(bench.build, "cdrwriter", "tandem-cdrwriter"), "--config",
                                         node.config_path], stdout=self.log, stderr=self.log, env=node.environment)
        bench.children.append(self.process)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.bench.children.remove(self.process)
        self.log.close()


def committed(node):
    return node.counters()["cdr.committed"]


def wait_for(condition, timeout_s, what):
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"waited too long until {what}")
        time.sleep(0.02)


def through_the_writer(bench, node, writer, first, rows):
    """Rows a second from the first record in the ring to the last COMMIT; processor time a row of writer and server."""
    before = committed(node)
    used = cpu_s(writer.process.pid), server_cpu_s(bench.database)
    started = time.monotonic()
    producer = subprocess.Popen([os.path.join(bench.build, "tests", "unit", "cdrwriter", "cdr-produce"), "--config",
                                 node.config_path, "--first", str(first), "--count", str(rows), "--rate", "100000000"],
                                stdout=subprocess.PIPE, text=True, env=node.environment)
    bench.children.append(producer)
    shown, done, now = started, 0, started
    while done < rows:
        # Asking costs processor time, too: seldom at first, often when the end is near.
        rate = done / (now - started) if done else FIRST_GUESS
        time.sleep(min(0.25, max(0.005, 0.3 * (rows - done) / rate)))
        now, done = time.monotonic(), committed(node) - before
        if now - started > 600 or writer.process.poll() is not None:
            raise Failed("the records did not all reach PostgreSQL: " + read(writer.log.name)[-1000:])
        if now - shown > 5:
            shown = now
            bench.progress(f"{now - started:4.0f} s  {done} of {rows} rows committed")
    said = producer.communicate(timeout=10)[0]
    bench.children.remove(producer)
    began = int(re.search(r"began (\d+)", said).group(1)) / 1e6  # the same clock: what came before was start-up
    return rows / (now - began), [(after - then) / rows for after, then in
                                  zip((cpu_s(writer.process.pid), server_cpu_s(bench.database)), used)]


def cpu_s(pid, waited_for=False):
    """Processor time of a process so far, and of those it has waited for."""
    fields = read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15 if waited_for else 13]) / os.sysconf("SC_CLK_TCK")


def server_cpu_s(database):
    postmaster = int(read(os.path.join(database.data, "postmaster.pid")).split()[0])
    total = cpu_s(postmaster, waited_for=True)
    for pid in read(f"/proc/{postmaster}/task/{postmaster}/children").split():
        with contextlib.suppress(IndexError):  # it has ended: then it is among those waited for
            total += cpu_s(pid)
    return total


def bare_copy(bench, file, rows):
    """Rows a second of one COPY of these rows into the same, emptied table, on one connection; processor time a row."""
    database = bench.database
    database.query("TRUNCATE tandem.cdr")
    database.query("CHECKPOINT")
    used = server_cpu_s(database)
    done = subprocess.run([f"{database.bin}/psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", database.connection,
                           "-c", "\\timing", "-c",
                           f"\\copy tandem.cdr ({columns()}) from '{file}' with (format binary)"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    took = re.search(r"Time: ([0-9.]+) ms", done.stdout)  # by psql itself: its start is not counted
    if done.returncode or not took:
        raise Failed(f"COPY: {done.stdout}")
    found = int(database.value("SELECT count(*) FROM tandem.cdr"))
    if found != rows:
        raise Failed(f"COPY left {found} rows of {rows}")
    return rows / (float(took.group(1)) / 1000), (server_cpu_s(database) - used) / rows


def one_round(bench, node, writer, first, rows):
    database = bench.database
    database.query("TRUNCATE tandem.cdr")
    database.query("CHECKPOINT")
    rate, (writer_cpu, server_cpu) = through_the_writer(bench, node, writer, first, rows)
    found = int(database.value("SELECT count(*) FROM tandem.cdr"))
    if found != rows:
        raise Failed(f"{rows} records became {found} rows")
    file = os.path.join(database.folder, "rows.copy")
    database.query(f"COPY (SELECT {columns()} FROM tandem.cdr ORDER BY setup_time) TO '{file}' WITH (FORMAT binary)")
    size = os.path.getsize(file)
    copy, copy_cpu = bare_copy(bench, file, rows)
    os.unlink(file)
    return {"rows": rows, "rows_per_second": rate, "copy_rows_per_second": copy, "ratio": rate / copy,
            "writer_cpu_us_per_row": 1e6 * writer_cpu, "server_cpu_us_per_row": 1e6 * server_cpu,
            "copy_server_cpu_us_per_row": 1e6 * copy_cpu, "bytes_per_row": size / rows}


def run(bench):
    bench.say("call records: from the ring to a COMMIT, and a bare COPY of the same rows")
    node = Node(bench, config(bench, Layout(), "signaling", 1000, 0))
    del node.config["database"]["batch"]  # as it is by itself
    del node.config["processes"]["cdrwriter"]  # its threads go where the scheduler likes: all cores are theirs
    node.write_config()
    node.ctl("segments", "create", "--replace")
    rows = max(20000, int(bench.seconds * FIRST_GUESS))
    with bench.pinned(CORES):
        writer = Writer(bench, node, 0)
        try:
            wait_for(lambda: node.status()["cdrwriter"]["database_connected"], 30, "the writer has its database")
            wait_for(lambda: bench.database.value("SELECT to_regclass('tandem.cdr')"), 30, "the schema is there")
            through_the_writer(bench, node, writer, 1, 20000)  # partitions, buffers, plans
            rounds = []
            for number in range(ROUNDS):
                rounds.append(one_round(bench, node, writer, 1 + (number + 1) * 100000000, rows))
                bench.progress("{rows_per_second:.0f} rows/s through the writer, {copy_rows_per_second:.0f} with COPY, "
                               "ratio {ratio:.2f}".format(**rounds[-1]))
        finally:
            writer.stop()
            node.ctl("segments", "remove", check=False)
    middle = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    return {**middle, "rounds": rounds, "where": "no pinning: writer, producer, client and PostgreSQL share all cores"}
