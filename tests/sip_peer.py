# SPDX-License-Identifier: Apache-2.0
"""A SIP peer that does exactly what a test says: every message by hand, nothing answered or resent by itself."""
import itertools
import random
import re
import time

from lab.sockets import udp_socket

_number = itertools.count(random.randrange(1 << 30))

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type",
           "k": "supported", "s": "subject", "e": "content-encoding"}

SDP = ("v=0\r\no=peer 1 1 IN IP{v} {ip}\r\ns=-\r\nc=IN IP{v} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n"
       "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n")


class Message:
    def __init__(self, data, source=None):
        self.data, self.source = data, source
        head, _, body = data.partition(b"\r\n\r\n")
        lines = re.sub(rb"\r\n[ \t]+", b" ", head).decode(errors="replace").split("\r\n")
        self.start, self.body, self.headers = lines[0], body.decode(errors="replace"), []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            self.headers.append((COMPACT.get(name, name), value.strip()))

    @property
    def code(self):
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self):
        return self.start.split()[0] if not self.code else self["cseq"].split()[1]

    @property
    def uri(self):
        return self.start.split()[1]

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def __getitem__(self, name):
        values = self.all(name)
        return values[0] if values else None

    def tag(self, name):
        found = re.search(r";\s*tag=([^;>\s]+)", self[name] or "")
        return found.group(1) if found else None

    def contact_uri(self):
        return re.search(r"<([^>]+)>", self["contact"]).group(1)

    def media(self):
        """(address, port) of the first audio line; its own c= goes before the session's."""
        session, audio, described = self.body.partition("m=audio ")
        own = re.search(r"^c=IN IP[46] (\S+)", described.partition("\nm=")[0], re.M)
        ip = own or re.search(r"^c=IN IP[46] (\S+)", session, re.M)
        return ip.group(1), int(described.split()[0])

    def __repr__(self):
        return f"<{self.start}>"


class SipPeer:
    def __init__(self, host, ip, port=5060, switch=("10.77.0.1", 5060)):
        self.ip, self.port, self.switch = ip, port, switch
        self.sock = udp_socket(host, ip, port)
        self.shown = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, text, to=None):
        self.sock.sendto(text if isinstance(text, bytes) else text.encode(), to or self.switch)

    def receive(self, timeout_s=3.0):
        """The next SIP message, or None when none came in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.sock.settimeout(left)
            try:
                data, source = self.sock.recvfrom(65535)
            except TimeoutError:
                return None
            if b"SIP/2.0" in data:
                return Message(data, source)

    def expect(self, what, timeout_s=5.0):
        """The next message that is `what` (a code or a method); resends and 100s on the way are passed over."""
        deadline = time.monotonic() + timeout_s
        seen = []
        while time.monotonic() < deadline:
            message = self.receive(deadline - time.monotonic())
            if message is None:
                break
            if what == (message.code or message.method) or (isinstance(what, tuple) and message.code in what):
                return message
            seen.append(message)
        raise AssertionError(f"{self.shown} expected {what}, saw {seen}")

    def nothing(self, timeout_s=0.5):
        message = self.receive(timeout_s)
        assert message is None, f"{self.shown} expected nothing, saw {message}\n{message.data.decode(errors='replace')}"

    def sdp(self, port=40000, direction="sendrecv"):
        return SDP.format(v=6 if ":" in self.ip else 4, ip=self.ip, port=port, direction=direction)

    def request(self, method, uri, call_id=None, from_tag=None, to_tag=None, cseq=1, branch=None, body="", headers=(),
                user="49228001"):
        number = next(_number)
        lines = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {self.shown};branch={branch or f'z9hG4bKp{number}'};rport",
                 "Max-Forwards: 70", f"From: <sip:{user}@{self.shown}>;tag={from_tag or f'f{number}'}",
                 f"To: <{uri}>" + (f";tag={to_tag}" if to_tag else ""), f"Call-ID: {call_id or f'{number}@peer'}",
                 f"CSeq: {cseq} {method}"]
        if method in ("INVITE", "REGISTER", "SUBSCRIBE", "UPDATE") and not any(h.lower().startswith("contact") for h in headers):
            lines.append(f"Contact: <sip:{user}@{self.shown}>")
        lines += list(headers)
        if body:
            lines.append("Content-Type: application/sdp")
        return "\r\n".join(lines + [f"Content-Length: {len(body)}", "", body])

    def respond(self, request, code, reason="Whatever", to_tag="peer", body="", headers=(), contact=True):
        lines = [f"SIP/2.0 {code} {reason}"] + [f"Via: {via}" for via in request.all("via")]
        to = request["to"] + (f";tag={to_tag}" if to_tag and code > 100 and not request.tag("to") else "")
        lines += [f"From: {request['from']}", f"To: {to}", f"Call-ID: {request['call-id']}", f"CSeq: {request['cseq']}"]
        if contact:
            lines.append(f"Contact: <sip:peer@{self.shown}>")
        lines += list(headers)
        if body:
            lines.append("Content-Type: application/sdp")
        self.send("\r\n".join(lines + [f"Content-Length: {len(body)}", "", body]), request.source)

    def invite(self, number, sdp_port=40000, **options):
        """Send an INVITE; returns what in_dialog() and ack() need."""
        text = self.request("INVITE", f"sip:{number}@{self.switch[0]}:{self.switch[1]}" if ":" not in self.switch[0] else
                            f"sip:{number}@[{self.switch[0]}]:{self.switch[1]}", body=options.pop("body", self.sdp(sdp_port)), **options)
        self.send(text)
        return Message(text.encode())

    def ack(self, invite, response):
        """ACK, as the final response wants it."""
        branch = re.search(r"branch=([^;]+)", invite["via"]).group(1) if response.code >= 300 else None
        uri = invite.uri if response.code >= 300 else response.contact_uri()
        self.send(self.in_dialog("ACK", invite, response, uri=uri, cseq=int(invite["cseq"].split()[0]), branch=branch))

    def cancel(self, invite):
        """CANCEL of an INVITE that we sent: the same branch, CSeq and To."""
        head = invite.data.decode().split("\r\n\r\n")[0].replace("INVITE", "CANCEL")
        self.send(re.sub(r"\r\n(Contact|Content-Type|Content-Length): [^\r]*", "", head) + "\r\nContent-Length: 0\r\n\r\n")

    def in_dialog(self, method, invite, response, cseq=2, uri=None, branch=None, body="", headers=()):
        """A request of the caller within its dialog."""
        text = self.request(method, uri or response.contact_uri(), call_id=invite["call-id"], from_tag=invite.tag("from"),
                            to_tag=response.tag("to"), cseq=cseq, branch=branch, body=body, headers=headers)
        text = re.sub(r"^From: .*$", f"From: {invite['from']}", text, flags=re.M)
        return re.sub(r"^To: .*$", f"To: {response['to']}", text, flags=re.M)

    def in_dialog_callee(self, method, invite, to_tag="peer", cseq=100, body="", headers=()):
        """A request of the callee within the dialog that `invite` (received) made."""
        text = self.request(method, invite.contact_uri(), call_id=invite["call-id"], cseq=cseq, body=body, headers=headers)
        text = re.sub(r"^From: .*$", f"From: {invite['to']};tag={to_tag}", text, flags=re.M)
        return re.sub(r"^To: .*$", f"To: {invite['from']}", text, flags=re.M)
