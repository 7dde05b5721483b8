# SPDX-License-Identifier: Apache-2.0
"""What a stranger sends: it leaves nothing behind, and is never answered with more than it was."""
import pytest
from lab.net import wait_for

scenario = pytest.mark.scenario


def count(node, name):
    return node.switch.counters()[name]


def rest(node):
    """What earlier scenarios have left is over."""
    node.clock.advance(34)
    wait_for(lambda: count(node, "signaling.transactions") == 0, 3, "no transaction stands")


@scenario("a 200 to no INVITE, with a tag that an OPTIONS has taught: no ACK, no BYE")
def test_answer_to_nothing(node, stranger, first):
    stranger.send(stranger.request("OPTIONS", "sip:10.77.0.1"))
    tag = stranger.expect(200).tag("to")
    strays = count(node, "signaling.responses_stray")
    stranger.send("\r\n".join(["SIP/2.0 200 OK", "Via: SIP/2.0/UDP 10.77.0.1:5060;branch=z9hG4bKx", f"From: <sip:x@y>;tag={tag}",
                               "To: <sip:z@y>;tag=1", "Call-ID: 1", "CSeq: 1 INVITE", f"Contact: <sip:v@{first.shown}>",
                               "Content-Length: 0", "", ""]))
    first.nothing(0.3)
    stranger.nothing(0.1)
    assert count(node, "signaling.responses_stray") == strays + 1


@scenario("an INVITE that was challenged, and is not acknowledged: one 407")
@pytest.mark.parametrize("user, code", [("alice", 407), ("nobody", 403)])
def test_answered_once(node, stranger, user, code):
    rest(node)
    stranger.invite(node.number(), user=user)
    assert stranger.expect(code)
    assert count(node, "signaling.transactions") == 0
    node.clock.advance(34)
    stranger.nothing(0.3)


@scenario("a request whose answer would hardly fit into a datagram")
@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
def test_too_long(node, stranger, method):
    rest(node)
    stranger.send(stranger.request(method, "sip:10.77.0.1").replace(";rport", f";rport;x={'a' * 62000}"))
    assert stranger.expect(513)
    assert count(node, "signaling.transactions") == 0
