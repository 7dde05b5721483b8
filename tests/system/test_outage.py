# SPDX-License-Identifier: Apache-2.0
"""The database goes away, the spool's disk fills: no record is lost or doubled, and calls are refused only when they must be."""
import os
import time

import pytest
from lab.carrier import Carrier
from lab.net import sh, wait_for
from lab.switch import Switch, base_config
from commit_proxy import CommitProxy

RATE, OUTAGE_S = 100, 60


@pytest.fixture(scope="module")
def peers(net):
    return net.peer("customer", 10), net.peer("vendor", 20)


def start(net, folder, connection, node, spool=None):
    config = base_config(node, folder, connection)
    config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10"]}]
    config["routing_gateways"] = [{"name": "vendor", "address": "10.77.0.20:5060", "prefixes": ["49"]},
                                  {"name": "second", "address": "10.77.0.20:5062", "prefixes": ["48"]}]
    if spool:
        config["spool"] = spool
    return Switch(net, folder, config).start()


def carrier(build, peers, **options):
    return Carrier(build, peers[0], "10.77.0.10", "10.77.0.1:5060", [(peers[1], "10.77.0.20", "")], **options)


def check_all_recorded(postgres, calls, timeout_s=60):
    answered = sorted(c["call_id"] for c in calls if c["answered_us"])
    run = answered[0].split("-")[0]
    query = f"SELECT caller_sip_call_id FROM tandem.cdr WHERE caller_sip_call_id LIKE '{run}-%' AND answer_time IS NOT NULL"

    def complete():
        try:
            return len(postgres.query(query)) >= len(answered)
        except RuntimeError:
            return False

    wait_for(complete, timeout_s, lambda: f"{len(answered)} records (there are {len(postgres.query(query))})", interval_s=0.5)
    time.sleep(1)
    assert sorted(row[0] for row in postgres.query(query)) == answered


def test_database_stops_for_a_minute(net, folder, postgres, peers, build):
    switch = start(net, folder, postgres.connection, "tt-outage")
    try:
        run = carrier(build, peers, rate=RATE, seconds=OUTAGE_S + 8, hold=1, calls_file=os.path.join(folder, "outage.jsonl")).start()
        time.sleep(3)
        postgres.stop("immediate")
        time.sleep(OUTAGE_S)
        postgres.start()
        report = run.finish()
        assert report["offered"] == report["answered"] == report["ended_clean"] >= RATE * (OUTAGE_S + 7)
        check_all_recorded(postgres, run.calls())
    finally:
        print(switch.log_tail())
        switch.close()


def test_commit_reply_is_swallowed(net, folder, postgres, peers, build):
    """The server commits, the answer never arrives: the writer must not write the batch again."""
    with CommitProxy(os.path.join(folder, "proxy"), os.path.join(postgres.folder, ".s.PGSQL.5432")) as proxy:
        switch = start(net, folder, postgres.connection.replace(postgres.folder, proxy.folder), "tt-proxy")
        try:
            run = carrier(build, peers, rate=RATE, seconds=12, hold=1, calls_file=os.path.join(folder, "proxy.jsonl")).start()
            time.sleep(2)
            for _ in range(3):
                proxy.swallow_next()
                time.sleep(3)
            report = run.finish()
            assert report["answered"] == report["offered"]
            check_all_recorded(postgres, run.calls())
            assert proxy.swallowed >= 2
        finally:
            print(switch.log_tail())
            switch.close()


@pytest.fixture
def small_disk(folder):
    path = os.path.join(folder, "small")
    os.makedirs(path)
    sh(f"mount -t tmpfs -o size=24m,mode=777 tmpfs {path}")
    yield path
    sh(f"umount -l {path}", check=False)


def test_spool_disk_fills(net, folder, postgres, peers, build, small_disk):
    switch = start(net, folder, postgres.connection, "tt-full", {"directory": os.path.join(small_disk, "spool"), "segment_mb": 1, "reserve_mb": 4})
    filler = os.path.join(small_disk, "filler")
    try:
        standing = carrier(build, peers, standing=50, seconds=25, calls_file=os.path.join(folder, "standing.jsonl"), audio=True).start()
        time.sleep(3)
        free = os.statvfs(small_disk)
        with open(filler, "wb") as file:  # all but 2 MB
            file.write(b"x" * max(0, free.f_bavail * free.f_frsize - (2 << 20)))
        wait_for(lambda: switch.status()["cdrwriter"]["spool_full"], 10, "the spool counts as full")
        refused = carrier(build, peers, rate=20, calls=40, hold=1, number="48", port=5070, vendor_port=5062).run()
        assert refused["refused"] == {"503": 40}
        out = peers[0].run(["sipp", "-sn", "uac", "-s", "4930000001", "-i", "10.77.0.10", "-p", "5080", "-m", "1", "-nostdin",
                            "-trace_msg", "-message_file", os.path.join(folder, "503.log"), "-timeout", "5", "10.77.0.1:5060"], check=False)
        with open(os.path.join(folder, "503.log")) as file:
            text = file.read()
        assert "SIP/2.0 503" in text and "Retry-After:" in text, out
        os.unlink(filler)
        wait_for(lambda: not switch.status()["cdrwriter"]["spool_full"], 10, "the spool has room again")
        accepted = carrier(build, peers, rate=20, calls=40, hold=1, number="48", port=5070, vendor_port=5062).run()
        assert accepted["answered"] == 40
        report = standing.finish()
        assert report["ended_clean"] == 50 and report["audio"]["lost"] == 0
        check_all_recorded(postgres, standing.calls())
    finally:
        print(switch.log_tail())
        switch.close()
