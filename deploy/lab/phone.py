# SPDX-License-Identifier: Apache-2.0
"""A baresip phone, and a watcher that counts what reaches a host."""
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import wave

from .net import wait_for

MODULES = "/usr/lib/baresip/modules"

WATCH = r"""
import collections, json, signal, socket, struct, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
sock.bind((sys.argv[1], 0x0800))
payload = sys.argv[2].encode()
print("watching", flush=True)
while True:
    try:
        packet, source = sock.recvfrom(65535)
    except OSError:  # the device went away
        sys.exit(0)
    if source[2] == 4 or packet[9] != 17:  # our own, or not UDP
        continue
    body = packet[(packet[0] & 15) * 4 + 8:]
    if body == payload:
        print(f"{time.monotonic():.6f}", flush=True)
"""


def write_tone(path, seconds=60, hertz=400, rate=8000):
    """What the phone says: a tone, 16 bits mono."""
    period = [int(8000 * math.sin(2 * math.pi * hertz * n / rate)) for n in range(rate // hertz)]
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(struct.pack(f"<{len(period)}h", *period) * (seconds * hertz))


class Phone:
    """baresip, registered with the switch; answers by itself with a tone and keeps no pinhole open on its own."""

    def __init__(self, host, folder, user, password, registrar, expires_s=300):
        self.host, self.folder, self.user = host, folder, user
        self.log_path = os.path.join(folder, "baresip.log")
        os.makedirs(folder, exist_ok=True)
        tone = os.path.join(folder, "tone.wav")
        write_tone(tone)
        with open(os.path.join(folder, "config"), "w") as file:
            file.write(f"sip_listen 0.0.0.0:5060\nmodule_path {MODULES}\n"
                       "module g711.so\nmodule aufile.so\nmodule account.so\nmodule menu.so\n"
                       f"audio_source aufile,{tone}\naudio_player aufile,/dev/null\naudio_alert aufile,/dev/null\n"
                       "call_max_calls 4\nrtp_ports 30000-30100\n")
        with open(os.path.join(folder, "accounts"), "w") as file:
            file.write(f"<sip:{user}@{registrar}>;auth_user={user};auth_pass={password};answermode=auto;"
                       f"regint={expires_s};audio_codecs=PCMA/8000/1,PCMU/8000/1\n")
        open(os.path.join(folder, "contacts"), "w").close()

    def start(self):
        with open(self.log_path, "w") as log:
            self.process = self.host.start(["baresip", "-f", self.folder], stdout=log, stderr=subprocess.STDOUT)
        return self

    def wait_registered(self, timeout_s=15):
        wait_for(lambda: "200 OK" in self.log(), timeout_s, lambda: "the phone registers:\n" + self.log())

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)


class Watch:
    """Counts datagrams with exactly this payload that reach a device of a host; when() has their times."""

    def __init__(self, host, device, payload):
        self.times = []
        self.process = host.start([sys.executable, "-c", WATCH, device, payload], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().strip() == "watching"
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.times.append(float(line))

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    @property
    def count(self):
        return len(self.times)
