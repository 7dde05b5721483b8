# SPDX-License-Identifier: Apache-2.0
"""The socket behind a peer's description."""
import itertools
import os
import select
import struct
import time

from lab.sockets import udp_socket

SPACING_S = 0.02


class Audio:
    """What goes out of it and comes in there, packet by packet."""

    def __init__(self, peer, host, port=None):
        self.sock = udp_socket(host, peer.ip, port or (41000 if peer.name in ("last", "inner") else 40000))
        self.numbers, self.ssrc, self.source = itertools.count(), os.urandom(4), None

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def rtp(self):
        number = next(self.numbers)
        return struct.pack(">BBHI", 0x80, 8, number & 0xffff, 160 * number) + self.ssrc + os.urandom(160)

    def send(self, described, count=5):
        """So many packets of the stream to where a message says; returns them."""
        return self.send_these(described.media(), [self.rtp() for _ in range(count)])

    def send_these(self, to, packets):
        for packet in packets:
            self.sock.sendto(packet, to)
            time.sleep(SPACING_S)
        return packets

    def heard(self, timeout_s=0.3):
        """What has come, and comes until nothing does for a while."""
        found = []
        while select.select([self.sock], [], [], timeout_s)[0]:
            data, self.source = self.sock.recvfrom(4096)
            found.append(data)
        return found
