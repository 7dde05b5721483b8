# SPDX-License-Identifier: Apache-2.0
"""Faxes: an audio call that goes over to T.38 and back, and what may happen to it meanwhile."""
import os

import pytest
from audio import Audio
from lab.net import wait_for
from test_media import ends_silent, renegotiate, speaking, watched
from test_races import callee_ack

scenario = pytest.mark.scenario
pytestmark = pytest.mark.every_build

FAX = ("v=0\r\no=peer 1 2 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\nm=image {port} udptl t38\r\n"
       "a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxRateManagement:transferredTCF\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n")


def fax(peer, port):
    return FAX.format(ip=peer.ip, port=port)


def udptl(count, start=0):
    """Packets of UDPTL: each twice under its number, as senders do. Some look like RTP, some like RTCP."""
    bodies = [(start + number).to_bytes(2, "big") + b"\x01" + os.urandom(20) for number in range(count)]
    return [packet for body in bodies for packet in (body, body)]


def image_of(message):
    """(address, port) of the fax."""
    assert "m=audio 0 RTP/AVP 8\r\n" in message.body and "a=T38FaxUdpEC:t38UDPRedundancy\r\n" in message.body
    session, image, described = message.body.partition("m=image ")
    assert described.split()[1:3] == ["udptl", "t38"]
    return session.split("c=IN IP4 ")[1].split()[0], int(described.split()[0])


class Call:
    """An audio call with a packet each way; the callee moves to another port for faxes, as many gateways do."""

    def __init__(self, node, caller, last):
        self.node, self.caller, self.last, self.number = node, caller, last, node.number()
        self.invite, self.ok, self.received = caller.connect(last, self.number)
        self.a, self.b = Audio(caller, node.hosts["caller"]), Audio(last, node.hosts["last"])
        self.b_fax = Audio(last, node.hosts["last"], 41006)
        self.audio_passes()

    def close(self):
        for audio in self.a, self.b, self.b_fax:
            audio.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def audio_passes(self):
        sent = self.a.send(self.ok), self.b.send(self.received)
        assert (self.b.heard(), self.a.heard()) == sent

    def to_fax(self, cseq):
        """By the callee, who has heard the fax tone. The audio goes on until it is agreed."""
        self.last.send(self.last.in_dialog_callee("INVITE", self.received, cseq=cseq, body=fax(self.last, 41006),
                                                  headers=[f"Contact: <sip:v@{self.last.shown}>"]))
        crossed = self.caller.expect("INVITE")
        self.audio_passes()
        self.caller.respond(crossed, 200, "OK", body=fax(self.caller, 40000))
        answered = self.last.expect(200)
        self.last.send(self.last.in_dialog_callee("ACK", self.received, cseq=cseq))
        self.caller.expect("ACK")
        self.at_caller, self.at_callee = image_of(crossed), image_of(answered)
        assert self.at_caller == self.ok.media() and self.at_callee == self.received.media()

    def fax_passes(self, start=0):
        there, back = udptl(4, start), udptl(4, start)
        assert self.b_fax.send_these(self.at_callee, back) == self.a.heard()
        assert self.a.send_these(self.at_caller, there) == self.b_fax.heard()

    def to_audio(self, cseq):
        crossed, ok = renegotiate(self.caller, self.last, (self.invite, self.ok), cseq, self.caller.sdp(40000), self.last.sdp(41000))
        assert crossed.media() == self.received.media() and ok.media() == self.ok.media()

    def hang_up(self, cseq):
        self.caller.hang_up(self.invite, self.ok, self.last, cseq=cseq)
        return self.node.record(self.number, "Normal", 200, "caller")


@scenario("an audio call goes over to T.38 and back: UDPTL passes unaltered both ways")
def test_fax(node, caller, last, saw):
    before = node.switch.counters()
    with Call(node, caller, last) as call:
        call.to_fax(100)
        for start in (0, 0x80c8, 0xfffe - 4):
            call.fax_passes(start)
        call.to_audio(2)
        call.audio_passes()
        record = call.hang_up(3)
    after = node.switch.counters()
    relayed = {name: after[f"media.{name}"] - before[f"media.{name}"] for name in ("udptl_relayed", "rtp_relayed", "drop_not_rtp")}
    saw(f"{relayed['udptl_relayed']} packets of UDPTL")
    assert relayed == {"udptl_relayed": 48, "rtp_relayed": 30, "drop_not_rtp": 0}
    assert (record.from_caller_packets, record.from_callee_packets) == (39, 39)
    assert (record.from_caller_lost, record.from_callee_lost) == (0, 0)
    assert record.codec.startswith("PCMA")


@scenario("kill -9 in the middle of a fax")
@pytest.mark.parametrize("role", ["media", "signaling"])
def test_killed(node, caller, last, role):
    with Call(node, caller, last) as call:
        call.to_fax(100)
        call.fax_passes()
        starts = node.switch.status()[role]["starts"]
        node.switch.kill(role)
        wait_for(lambda: node.switch.status()[role]["starts"] == starts + 1 and node.switch.status()[role]["state"] == "ready", 10,
                 f"{role} is back")
        call.fax_passes(50)
        call.to_audio(2)
        call.audio_passes()
        assert call.hang_up(3).codec.startswith("PCMA")


@scenario("a fax that is refused: the audio goes on")
def test_refused(node, caller, last):
    with Call(node, caller, last) as call:
        request = last.in_dialog_callee("INVITE", call.received, body=fax(last, 41006), headers=[f"Contact: <sip:v@{last.shown}>"])
        last.send(request)
        caller.respond(caller.expect("INVITE"), 488, "Not Acceptable Here")
        caller.expect("ACK")
        last.expect(488)
        last.send(callee_ack(last, call.received, request))
        call.audio_passes()
        record = call.hang_up(2)
    assert (record.from_caller_packets, record.from_callee_packets, record.from_caller_lost, record.from_callee_lost) == (10, 10, 0, 0)


@scenario("a call that ends as a fax, offered so from the start")
def test_from_the_start(node, caller, last):
    number = node.number()
    invite = caller.invite(number, body=fax(caller, 40000))
    received = last.answer(body=fax(last, 41000))
    ok = caller.take_answer(invite, last)
    with Audio(caller, node.hosts["caller"]) as a, Audio(last, node.hosts["last"]) as b:
        assert a.send_these(image_of(ok), udptl(3)) == b.heard()
        assert b.send_these(image_of(received), udptl(3)) == a.heard()
    caller.hang_up(invite, ok, last)
    record = node.record(number, "Normal", 200)
    assert (record.codec, record.from_caller_packets, record.from_callee_packets) == ("t38", 6, 6)


@scenario("silence_watch and a fax: packets of either side count, and the end of them")
def test_silence(node, caller, last):
    with watched(node, "caller"), Call(node, caller, last) as call:
        call.to_fax(100)
        call.b_fax.send_these(call.at_callee, udptl(1))
        call.b_fax.rtp = lambda: udptl(1)[0]
        with speaking(call.b_fax, call.received):
            node.clock.advance(60)
            assert node.standing(call.number)
        node.clock.advance(40)
        ends_silent(node, call.number, caller, last)
