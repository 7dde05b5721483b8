# SPDX-License-Identifier: Apache-2.0
"""The node that the scenarios share, the peers that note down what they see, and the records."""
import contextlib
import copy
import itertools
import struct
import time

from lab.net import wait_for
from lab.sockets import udp_socket
from lab.switch import Switch, base_config
from scaled_clock import ScaledClock
from sip_peer import SipPeer

CUSTOMER, PHONE, STRANGER = "10.77.0.10", "10.77.0.30", "10.77.0.66"
FIRST, SECOND, THIRD, LAST = "10.77.0.21", "10.77.0.22", "10.77.0.23", "10.77.0.20"
VENDORS = {"first": FIRST, "second": SECOND, "third": THIRD, "last": LAST}
INNER = "10.78.0."  # the node's second network, "inner", on the same bridge; nobody is there but in test_media.py

COLUMNS = ("attempt", "final", "end_reason", "end_direction", "sip_code", "q850_cause", "mapping_gateway", "routing_gateway",
           "callee_number_out", "caller_number_out", "pdd_ms", "codec", "media_mode", "from_caller_packets", "from_callee_packets",
           "from_caller_lost", "from_callee_lost")
NUMBERS = ("sip_code", "pdd_ms", "from_caller_packets", "from_callee_packets", "from_caller_lost", "from_callee_lost")


class Record(dict):
    """One row of the database; the fields are attributes, too."""

    def __getattr__(self, name):
        return self[name]

    def __repr__(self):
        return f"{self.routing_gateway or 'no gateway'} {self.end_reason} {self.sip_code}{'' if self.final else ' (not final)'}"


class NotingPeer(SipPeer):
    """A peer whose messages get into the table: (peer, what) in `notes`, in the order they were read."""

    def __init__(self, host, ip, name, notes, **options):
        super().__init__(host, ip, **options)
        self.name, self.notes, self.heard = name, notes, []

    def receive(self, timeout_s=3.0):
        message = super().receive(timeout_s)
        if message:
            self.notes.append((self.name, str(message.code or message.method)))
            self.heard.append(message)
        return message

    def drain(self, timeout_s=0.05):
        """Everything that is here, or comes soon."""
        found = []
        while message := self.receive(timeout_s):
            found.append(message)
        return found

    def answer_byes(self):
        """200 to each BYE that comes now; returns them."""
        found = [message for message in self.drain(0.3) if message.method == "BYE" and not message.code]
        for bye in found:
            self.respond(bye, 200, "OK")
        return found

    # What tests do with a whole call.

    def answer(self, invite=None, body=None, ring=True, **options):
        """Ring and answer an INVITE (the next one); returns it."""
        invite = invite or self.expect("INVITE")
        self.respond(invite, 100, "Trying")
        if ring:
            self.respond(invite, 180, "Ringing")
        self.respond(invite, 200, "OK", body=self.sdp(41000) if body is None else body, **options)
        return invite

    def refuse(self, code, reason="No", **options):
        """Answer the next INVITE so, and wait for the ACK."""
        invite = self.expect("INVITE")
        self.respond(invite, code, reason, **options)
        self.expect("ACK")
        return invite

    def take_answer(self, invite, callee):
        """The 200 to this caller's INVITE, and its ACK through to `callee`; returns the 200."""
        ok = self.expect(200)
        self.ack(invite, ok)
        callee.expect("ACK")
        return ok

    def take_refusal(self, invite, code, timeout_s=5.0):
        """The failure that this caller's INVITE gets, acknowledged."""
        self.ack(invite, self.expect(code, timeout_s))

    def take_cancel(self, invite):
        """An INVITE that came here is cancelled, and ends as it should; returns the CANCEL."""
        cancel = self.expect("CANCEL")
        assert cancel["via"] == invite["via"] and cancel["cseq"].split()[0] == invite["cseq"].split()[0] and cancel.uri == invite.uri
        self.respond(cancel, 200, "OK")
        self.respond(invite, 487, "Request Terminated")
        self.expect("ACK")
        return cancel

    def take_bye(self):
        bye = self.expect("BYE")
        self.respond(bye, 200, "OK")
        return bye

    def hang_up(self, invite, answer, other, cseq=2):
        """This caller's BYE, through to `other`."""
        self.send(self.in_dialog("BYE", invite, answer, cseq=cseq))
        bye = other.take_bye()
        self.expect(200)
        return bye

    def ring(self, callee, number):
        """A call of this caller's that rings; returns INVITE sent, INVITE at the callee, the 180."""
        invite = self.invite(number)
        received = callee.expect("INVITE")
        callee.respond(received, 180, "Ringing")
        return invite, received, self.expect(180)

    def connect(self, callee, number, **options):
        """A call of this caller's to `callee`; returns INVITE sent, 200 got, INVITE at the callee."""
        invite = self.invite(number, **options)
        received = callee.answer()
        return invite, self.take_answer(invite, callee), received


def send_rtp(host, ip, port, to, count=10):
    """Packets of one stream of PCMA, 20 ms each."""
    with udp_socket(host, ip, port) as sock:
        for sequence in range(count):
            sock.sendto(struct.pack(">BBHII", 0x80, 8, sequence, 160 * sequence, 7) + bytes(160), to)
            time.sleep(0.02)


def told(notes):
    """What the peers saw, in one line: "caller 100 180 200, last INVITE×2 ACK"."""
    peers = {}
    for name, what in notes:
        peers.setdefault(name, []).append(what)
    return ", ".join(f"{name} " + " ".join(what if count == 1 else f"{what}×{count}"
                                           for what, count in ((w, len(list(group))) for w, group in itertools.groupby(seen)))
                     for name, seen in peers.items())


class Node:
    """Four vendors behind one switch; the digits before a number say which of them are tried, in which order."""

    def __init__(self, net, folder, postgres, build, name):
        self.net, self.folder, self.postgres, self.build = net, folder, postgres, build
        self.hosts = {"caller": net.peer("customer", 10), "phone": net.peer("phone", 30), "stranger": net.peer("stranger", 66)}
        for vendor, ip in VENDORS.items():
            self.hosts[vendor] = net.peer(vendor, int(ip.split(".")[-1]))
        self.clock = ScaledClock(folder, build)
        net.host("switch").plug_bare("sip0").plug_bare("rtp0").plug_bare("sip1").plug_bare("rtp1")
        self.switch = Switch(net, folder, self._configure(base_config(name, folder, postgres.connection)))
        self.switch.environment |= self.clock.environment
        self.switch.start()
        self.dialled = itertools.count(100001)
        self.notes = []

    @staticmethod
    def _configure(config):
        config["digest_algorithms"] = "both"
        config["database"]["batch_wait_ms"] = 10
        config["parameters"] = {"SS_MEDIAPROXYMODE": "on"}
        for port, number in zip(copy.deepcopy(config["ports"]), "12"):
            name = port["name"].replace("0", "1")
            config["ports"].append(port | {"name": name, "device": name, "network": "inner", "addresses": [f"{INNER}{number}/24"]})
        config["mapping_gateways"] = [{"name": "customer", "addresses": [CUSTOMER, "fd77::a"]}]
        gateways = [("first", ["44", "41"], 10), ("second", ["41"], 20), ("third", ["41"], 30), ("last", ["49", "44", "41"], 40)]
        config["routing_gateways"] = [{"name": name, "address": f"{VENDORS[name]}:5060", "prefixes": prefixes, "priority": priority}
                                      for name, prefixes, priority in gateways]
        config["phones"] = [{"user": "alice", "password": "wonderland"}, {"user": "bob", "password": "builder"},
                            {"user": "1000", "password": "fleet", "count": 30}]
        return config

    def number(self, prefix="49"):
        """A number that nobody has dialled: 49 the last vendor alone; 44 first, last; 41 first, second, third, last."""
        return f"{prefix}{next(self.dialled)}"

    def gateway(self, name):
        """The entry of a vendor in the configuration, to be changed within `changed()`."""
        return next(g for g in self.switch.config["routing_gateways"] if g["name"] == name)

    @contextlib.contextmanager
    def changed(self, customer=None, **changes):
        """
        Other settings for a while: parameters by their names, those of a vendor by its name, the customer's. What the test
        does to switch.config before another reload() is taken back, too.
        """
        before = copy.deepcopy(self.switch.config)
        self.switch.config["mapping_gateways"][0].update(customer or {})
        for name, value in changes.items():
            if name in VENDORS:
                self.gateway(name).update(value)
            else:
                self.switch.config["parameters"][name] = value
        if self.switch.config != before:
            self.switch.reload()
        try:
            yield self.switch.config
        finally:
            self.switch.reload(before)

    def records(self, number, count=1):
        """The records of the calls to that number, in order; waits until so many are there."""
        columns = ", ".join(COLUMNS) + ", progress_time IS NOT NULL, extract(epoch from duration)"

        def rows():
            found = self.postgres.query(f"SELECT {columns} FROM tandem.cdr WHERE callee_number_in = '{number}' ORDER BY setup_time, attempt")
            return found if len(found) >= count else None

        found = [Record(zip(COLUMNS + ("progress", "duration"), row)) for row in wait_for(rows, 10, f"{count} records for {number}")]
        for record in found:
            record.update(attempt=int(record.attempt), final=record.final == "t", duration=float(record.duration))
            record.update((name, int(record[name] or 0)) for name in NUMBERS)
            self.notes.append(("record", f"[{record}]"))
        assert len(found) == count, found
        assert [record.final for record in found] == [False] * (count - 1) + [True]
        return found

    def record(self, number, reason=None, code=None, direction=None):
        """The only record of a call, which must say so."""
        record, = self.records(number)
        assert reason in (None, record.end_reason) and code in (None, record.sip_code) and direction in (None, record.end_direction), \
            f"{record} by {record.end_direction}, not {reason} {code} by {direction}"
        return record

    def calls(self, number):
        return [call for call in self.switch.calls() if call["callee"] == number]

    def standing(self, number):
        return [call for call in self.calls(number) if call["state"] in ("answered", "talking")]

    def gone(self, number):
        wait_for(lambda: not self.calls(number), 5, lambda: f"the call to {number} is gone: {self.calls(number)}")

    def kill_signaling(self):
        """kill -9; returns when it is back."""
        starts = self.switch.status()["signaling"]["starts"]
        self.switch.kill("signaling")

        def back():
            process = self.switch.status()["signaling"]
            return process["starts"] == starts + 1 and process["state"] == "ready"
        wait_for(back, 10, "signaling is back")

    def calm(self):
        """No call of the scenario before is left: it would resend into the next one."""
        if not self.switch.calls():
            return
        for call in self.switch.calls():
            self.switch.ctl("hangup", call["id"], check=False)
        for _ in range(3):
            self.clock.advance(40)
            try:
                wait_for(lambda: not self.switch.calls(), 3, "no call is left")
                return
            except TimeoutError:
                pass
        raise AssertionError(f"calls that do not end: {self.switch.calls()}")

    def check_records(self):
        """Of every call that there was one record is final, it is that of the last attempt, and none comes twice or strays."""
        wait_for(lambda: self.switch.status()["cdrwriter"]["spool_pending_records"] == 0, 10, "every record is in the database")
        assert self.postgres.value("SELECT count(*) FROM tandem.cdr_quarantine") == "0"
        wrong = self.postgres.query("SELECT min(callee_number_in), array_agg(attempt || ' ' || end_reason || ' ' || final ORDER BY attempt) "
                                    "FROM tandem.cdr GROUP BY call_id HAVING count(*) FILTER (WHERE final) <> 1 "
                                    "OR count(DISTINCT attempt) <> count(*) OR max(attempt) FILTER (WHERE final) <> max(attempt)")
        assert wrong == []

    def close(self):
        self.switch.close()
        self.clock.close()
