# SPDX-License-Identifier: Apache-2.0
"""A small name server for tests: what it says, and whether it says anything, changes as the test likes."""
import socket
import struct
import threading

from lab.sockets import udp_socket

TYPES = {"A": 1, "CNAME": 5, "AAAA": 28, "SRV": 33}


def name_bytes(name):
    """A name in labels; "." and "" are the root."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label) + b"\0"


def data_of(kind, value):
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "CNAME":
        return name_bytes(value)
    priority, weight, port, target = value
    return struct.pack("!HHH", priority, weight, port) + name_bytes(target)


class DnsServer(threading.Thread):
    """`zone` is {(name, type): [(ttl, value), ...]}; an SRV's value is (priority, weight, port, target)."""

    def __init__(self, host, ip="127.0.0.1", port=5353):
        super().__init__(daemon=True)
        self.sock = udp_socket(host, ip, port)
        self.sock.settimeout(0.1)
        self.zone, self.questions = {}, []
        self.silent, self.code, self.lie_first, self.truncate = False, 0, False, False
        self.failing = ()  # types of questions that are answered with SERVFAIL
        self.stopping = False
        self.start()

    def run(self):
        while not self.stopping:
            try:
                data, source = self.sock.recvfrom(4096)
            except TimeoutError:
                continue
            self.answer(data, source)

    def answer(self, data, source):
        number, = struct.unpack("!H", data[:2])
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode().lower())
            at += 1 + data[at]
        kind, _ = struct.unpack("!HH", data[at + 1:at + 5])
        name, kind = ".".join(labels), {v: k for k, v in TYPES.items()}.get(kind)
        self.questions.append((name, kind))
        if self.silent:
            return
        records, owner = [], name
        while (owner, "CNAME") in self.zone and kind != "CNAME":
            (ttl, target), = self.zone[owner, "CNAME"]
            records.append((owner, "CNAME", ttl, target))
            owner = target
        records += [(owner, kind, ttl, value) for ttl, value in self.zone.get((owner, kind), [])]
        known = any(owner == name for name, _ in self.zone)
        code = 2 if kind in self.failing else self.code or (0 if known else 3)
        body = b""
        for owner, its_kind, ttl, value in records if not self.code else []:
            data_ = data_of(its_kind, value)
            body += name_bytes(owner) + struct.pack("!HHIH", TYPES[its_kind], 1, ttl, len(data_)) + data_
        question = data[12:at + 5]
        flags = 0x8180 | code | (0x200 if self.truncate else 0)
        if self.lie_first:  # somebody guesses, and guesses wrong
            lie = name_bytes(name) + struct.pack("!HHIH", 1, 1, 60, 4) + bytes([10, 77, 0, 99])
            head = struct.pack("!HHHHHH", number ^ 1, 0x8180, 1, 1, 0, 0)
            self.sock.sendto(head + question + lie, source)
            self.sock.sendto(struct.pack("!HHHHHH", number, 0x8180, 1, 1, 0, 0) + name_bytes("other.test") + question[-4:] + lie, source)
            self.sock.sendto(b"\0", source)
        self.sock.sendto(struct.pack("!HHHHHH", number, flags, 1, len(records) if body else 0, 0, 0) + question + body, source)

    def close(self):
        self.stopping = True
        self.join()
        self.sock.close()
