# SPDX-License-Identifier: Apache-2.0
"""Which gateway is next, who is let in, and what the record says of those who are not."""
import pytest
from credentials import digest
from node import FIRST, SECOND
from sip_peer import Message

scenario = pytest.mark.scenario


# ---- the order of gateways ----

@pytest.fixture
def two(node):
    """two(a={}, b={}): vendors of that name at `first` and `second`, that nobody else's calls go to."""
    with node.changed() as config:
        others = list(config["routing_gateways"])

        def have(a, b):
            config["routing_gateways"] = others + [{"name": "b", "address": f"{SECOND}:5060"} | b, {"name": "a", "address": f"{FIRST}:5060"} | a]
            node.switch.reload()
        yield have


def tried(node, caller, peers, prefix):
    """Which gateways get a call that `peers`, in that order, refuse."""
    number = node.number(prefix)
    invite = caller.invite(number)
    for peer in peers:
        peer.refuse(500)
    caller.take_refusal(invite, 500)
    return [row.routing_gateway for row in node.records(number, len(peers))]


@scenario("the next gateway: by the longest prefix, then priority, then calls to capacity, then calls carried, then name")
def test_order(node, caller, first, second, two):
    two(a={"prefixes": ["45"], "priority": 1}, b={"prefixes": ["455"], "priority": 9})
    assert tried(node, caller, (second, first), "455") == ["b", "a"]
    two(a={"prefixes": ["455"], "priority": 9}, b={"prefixes": ["455"], "priority": 1})
    assert tried(node, caller, (second, first), "455") == ["b", "a"]
    both = {"a": {"prefixes": ["455", "457"], "priority": 5}, "b": {"prefixes": ["455", "458"], "priority": 5}}
    two(**both)
    assert tried(node, caller, (first, second), "455") == ["a", "b"]  # none has carried any: by name
    one = caller.connect(first, node.number("457"))
    assert tried(node, caller, (second, first), "455") == ["b", "a"]  # one carried, none
    standing = one, caller.connect(first, node.number("457")), caller.connect(second, node.number("458"))
    two(a=both["a"] | {"capacity": 10}, b=both["b"] | {"capacity": 2})
    assert tried(node, caller, (first, second), "455") == ["a", "b"]  # 2 of 10, 1 of 2: neither the fewer calls nor the fewer carried
    two(a=both["a"] | {"capacity": 10}, b=both["b"] | {"capacity": 2, "priority": 1})
    assert tried(node, caller, (second, first), "455") == ["b", "a"]  # load counts within a priority only
    for (invite, ok, _), peer in zip(standing, (first, first, second)):
        caller.hang_up(invite, ok, peer)


# ---- who is let in ----

def not_let_in(node, caller, number, code, reason, **options):
    """A call that is refused by the switch, with such a record; no vendor hears of it."""
    invite = caller.invite(number, **options)
    caller.take_refusal(invite, code)
    record = node.record(number, reason, code, "server")
    assert (record.attempt, record.routing_gateway, record.media_mode) == (1, "", "none")
    return record


@scenario("a customer's prefixes: what it may dial, as it dials it")
def test_prefixes(node, caller, last):
    with node.changed(customer={"prefixes": ["0049", "0044"], "callee": {"strip": 2}}):
        assert not_let_in(node, caller, node.number("0041"), 403, "Forbidden").mapping_gateway == "customer"
        not_let_in(node, caller, node.number("49"), 403, "Forbidden")
        last.nothing(0.1)
        number = node.number("0049")
        invite, ok, _ = caller.connect(last, number)
        caller.hang_up(invite, ok, last)
        node.record(number, "Normal", 200)


@scenario("a customer that is not enabled")
def test_disabled(node, caller, last):
    with node.changed(customer={"enabled": False}):
        assert not_let_in(node, caller, node.number(), 403, "ForbiddenSource").mapping_gateway == "customer"
        last.nothing(0.1)


@scenario("a customer's limits: calls a second, calls at once")
@pytest.mark.parametrize("limit, reason", [("calls_per_second", "RateLimited"), ("capacity", "CapacityReached")])
def test_limits(node, caller, last, limit, reason):
    with node.changed(customer={limit: 1}):
        invite, ok, _ = caller.connect(last, node.number())
        assert not_let_in(node, caller, node.number(), 503, reason).mapping_gateway == "customer"
        caller.hang_up(invite, ok, last)


def call_as(peer, number, user, password):
    """An INVITE with credentials; returns it."""
    invite = peer.invite(number, user=user)
    asked = peer.expect(407)
    peer.ack(invite, asked)
    return peer.invite(number, user=user, cseq=2, call_id=invite["call-id"], from_tag=invite.tag("from"),
                       headers=[digest(asked, user, password, "INVITE", invite.uri)])


@scenario("a wrong digest, then the right one of a user who is suspended; a challenge alone leaves no record")
def test_digest(node, stranger):
    with node.changed(SS_AUTHENTICATION_MAX_RETRY=1):
        for password, reason in ("guess", "AuthenticationFailed"), ("fleet", "Suspended"):
            number = node.number()
            stranger.take_refusal(call_as(stranger, number, "1020", password), 403)
            node.record(number, reason, 403, "server")


@scenario("somebody whom nobody knows")
def test_stranger(node, stranger):
    not_let_in(node, stranger, node.number(), 403, "ForbiddenSource", user="mallory")


@scenario("a session description that none is; a call that there is no room for")
@pytest.mark.parametrize("reason, code", [("BadRequest", 488), ("Overload", 503)])
def test_not_carried(node, caller, last, reason, code):
    number = node.number()
    text = caller.request("INVITE", f"sip:{number}@10.77.0.1", body="v=0\r\nrubbish\r\n" if reason == "BadRequest" else caller.sdp())
    if reason == "Overload":  # the name has its place once, in what we keep of the caller, but not again in the callee's dialog
        text = text.replace("From: ", f'From: "{"a" * 7000}" ')
    caller.send(text)
    caller.take_refusal(Message(text.encode()), code)
    node.record(number, reason, code, "server")
    last.nothing(0.1)


@scenario("kill -9 while it rings")
def test_restart(node, caller, last):
    number = node.number()
    invite, received, _ = caller.ring(last, number)
    node.kill_signaling()
    caller.take_refusal(invite, 503)
    last.take_cancel(received)
    assert node.record(number, "NodeRestart", 503, "server").routing_gateway == "last"


@scenario("an INVITE that never became a call leaves no record")
@pytest.mark.parametrize("why, code", [("no Contact", 400), ("no number", 484), ("too long", 513), ("not asked for", None)])
def test_no_record(node, caller, stranger, why, code):
    number = node.number()
    peer = stranger if code is None else caller
    uri = f"sip:{'' if why == 'no number' else number + '@'}10.77.0.1"
    text = peer.request("INVITE", uri, body=peer.sdp(), user="mallory" if code is None else "49228001")
    if why == "no Contact":
        text = "".join(line for line in text.splitlines(True) if not line.startswith("Contact"))
    elif why == "too long":
        text = text.replace("From: ", f'From: "{"a" * 20000}" ')
    invite = Message(text.encode())
    with node.changed(**({"SS_REPLY_UNAUTHORIZED": False} if code is None else {})):
        peer.send(text)
        if code is None:
            peer.nothing(0.3)
        else:
            peer.take_refusal(invite, code)
    not_let_in(node, stranger, node.number(), 403, "ForbiddenSource", user="mallory")  # whose record comes behind where that one's would
    assert node.postgres.value(f"SELECT count(*) FROM tandem.cdr WHERE caller_sip_call_id = '{invite['call-id']}'") == "0"
