# SPDX-License-Identifier: Apache-2.0
"""Where a vendor's 3xx leads: followed by policy, refused, or the caller's to follow; and the contacts of a phone, one after the other."""
import pytest
from lab.net import wait_for
from node import FIRST, PHONE, SECOND, STRANGER, THIRD, NotingPeer
from test_failover import connected, refused, seen
from test_registrations import nobody, register  # noqa: F401 (a fixture)

scenario = pytest.mark.scenario


def policy(node, follow=0, to="same", **more):
    """The first vendor's redirections, and more of its settings, for a while."""
    return node.changed(first={"redirect": {"follow": follow, "to": to}, **more})


def moved(peer, *contacts, code=302):
    """The next INVITE to this peer is answered so; returns it."""
    return peer.refuse(code, "Moved", headers=[f"Contact: {contact}" for contact in contacts], contact=False)


def answered_there(node, caller, there, invite, number, records, received=None):
    """The target answers; the records must be those, and one of the first vendor's that was answered."""
    received = there.answer(received)
    ok = caller.take_answer(invite, there)
    caller.hang_up(invite, ok, there)
    seen(node, number, records + [("first", "Normal", 200)])
    return received


@scenario("a 3xx to where another vendor is, redirect {to: known}: followed, and the target is told the way")
@pytest.mark.parametrize("code", [300, 301, 302, 305])
def test_followed(node, caller, first, second, code):
    with policy(node, 1, "known"):
        number = node.number("44")
        invite = caller.invite(number)
        sent = moved(first, f"<sip:4930999@{SECOND}:5060>;q=0.5", code=code)
        received = answered_there(node, caller, second, invite, number, [("first", "Rejected", code)])
        assert received.uri == f"sip:4930999@{SECOND}:5060" and received["call-id"] != sent["call-id"]
        assert number in received["diversion"] and received["to"].startswith(f"<sip:{number}@")
        assert received.all("history-info")[-1].startswith(f"<sip:4930999@{SECOND}:5060>;index=1.2")
        rows = node.postgres.query(f"SELECT callee_number_out, host(callee_ip) FROM tandem.cdr WHERE callee_number_in = '{number}' ORDER BY attempt")
        assert [tuple(row) for row in rows] == [(number, FIRST), ("4930999", SECOND)]


@scenario("a 3xx that is not followed: the next gateway")
@pytest.mark.parametrize("why, follow, to, code, contact", [
    ("off", 0, "any", 302, f"<sip:1@{SECOND}>"), ("not its own address", 1, "same", 302, f"<sip:1@{SECOND}>"),
    ("nobody's address", 1, "known", 302, f"<sip:1@{STRANGER}>"), ("380", 1, "any", 380, f"<sip:1@{SECOND}>"),
    ("a name", 1, "any", 302, "<sip:1@vendor.example>"), ("over TCP", 1, "any", 302, f"<sip:1@{SECOND};transport=tcp>")])
def test_not_followed(node, caller, first, second, last, stranger, why, follow, to, code, contact):
    with policy(node, follow, to):
        number = node.number("44")
        invite = caller.invite(number)
        moved(first, contact, code=code)
        connected(node, caller, last, invite, number, [("first", "Rejected", code)])
        second.nothing(0.05)
        stranger.nothing(0.05)


@scenario("to: any leads to somebody that the configuration does not know")
def test_anywhere(node, caller, first, stranger):
    with policy(node, 1, "any"):
        number = node.number("44")
        invite = caller.invite(number)
        moved(first, f"<sip:1@{STRANGER}>")
        answered_there(node, caller, stranger, invite, number, [("first", "Rejected", 302)])


@scenario("to: same, another port of the vendor")
def test_own_address(node, caller, first):
    with policy(node, 1, "same"), NotingPeer(node.hosts["first"], FIRST, "first:5070", node.notes, port=5070) as other:
        number = node.number("44")
        invite = caller.invite(number)
        moved(first, f"<sip:1@{FIRST}:5070>")
        answered_there(node, caller, other, invite, number, [("first", "Rejected", 302)])


@scenario("several Contacts: by q, one after the other; then the next gateway")
@pytest.mark.parametrize("answers", ["the second", "nobody"])
def test_by_q(node, caller, first, second, third, last, answers):
    with policy(node, 8, "known"):
        number = node.number("44")
        invite = caller.invite(number)
        moved(first, f"<sip:2@{SECOND}>;q=0.2, <sip:3@{THIRD}>;q=0.8")
        third.refuse(480)
        records = [("first", "Rejected", 302), ("first", "Rejected", 480)]
        if answers == "nobody":
            second.refuse(404)
            connected(node, caller, last, invite, number, records + [("first", "NotFound", 404)])
        else:
            answered_there(node, caller, second, invite, number, records)


@scenario("a silent target: its time-out, then the next")
def test_silent_target(node, caller, first, second, third):
    with policy(node, 8, "known", timeouts={"invite": 3}):
        number = node.number("44")
        invite = caller.invite(number)
        moved(first, f"<sip:2@{SECOND}>;q=0.8, <sip:3@{THIRD}>;q=0.2")
        second.expect("INVITE")
        node.clock.advance(3.2)
        answered_there(node, caller, third, invite, number, [("first", "Rejected", 302), ("first", "InviteTimeout", 408)])


@scenario("what ends the search ends it at a target, too")
@pytest.mark.parametrize("code, told, reason", [(486, 486, "Busy"), (603, 603, "GlobalFailure")])
def test_target_ends_it(node, caller, first, second, third, last, code, told, reason):
    with policy(node, 8, "known"):
        number = node.number("44")
        invite = caller.invite(number)
        moved(first, f"<sip:2@{SECOND}>, <sip:3@{THIRD}>;q=0.2")
        second.refuse(code)
        refused(node, caller, invite, number, told, [("first", "Rejected", 302), ("first", reason, code)])
        third.nothing(0.05)
        last.nothing(0.05)


@scenario("a target that sends the call back: no loop")
def test_loop(node, caller, first, second, last):
    with policy(node, 8, "known"):
        number = node.number("44")
        invite = caller.invite(number)
        received = moved(first, f"<sip:2@{SECOND}>")
        moved(second, f"<{received.uri}>, <sip:2@{SECOND}>")
        connected(node, caller, last, invite, number, [("first", "Rejected", 302), ("first", "Rejected", 302)])
        first.nothing(0.05)


@scenario("one redirection more than redirect.follow allows")
def test_one_too_many(node, caller, first, second, third, last):
    with policy(node, 1, "known"):
        number = node.number("44")
        invite = caller.invite(number)
        moved(first, f"<sip:2@{SECOND}>")
        moved(second, f"<sip:3@{THIRD}>")
        connected(node, caller, last, invite, number, [("first", "Rejected", 302), ("first", "Rejected", 302)])
        third.nothing(0.05)


@scenario("redirect: pass: the caller gets the 3xx with its Contacts")
@pytest.mark.parametrize("code", [300, 302, 380])
def test_passed(node, caller, first, last, code):
    with node.changed(customer={"redirect": "pass"}):
        number = node.number("44")
        invite = caller.invite(number)
        moved(first, "<sip:1@192.0.2.1>;q=0.5", "<sip:2@192.0.2.2>", code=code)
        response = caller.expect(code)
        assert response.all("contact") == ["<sip:1@192.0.2.1>;q=0.5", "<sip:2@192.0.2.2>"]
        caller.ack(invite, response)
        seen(node, number, [("first", "Rejected", code)])
        last.nothing(0.05)


@scenario("the place in the vendor's capacity is kept while its redirection is followed, and given back once")
def test_capacity(node, caller, first, second, last):
    with policy(node, 1, "known", capacity=1):
        number, other = node.number("44"), node.number("44")
        invite = caller.invite(number)
        moved(first, f"<sip:2@{SECOND}>")
        received = second.expect("INVITE")
        meanwhile = caller.invite(other)
        last.refuse(486)
        caller.take_refusal(meanwhile, 486)
        answered_there(node, caller, second, invite, number, [("first", "Rejected", 302)], received)
        third = caller.invite(node.number("44"))
        first.refuse(486)
        caller.take_refusal(third, 486)


@scenario("a target that is not the vendor gets no credentials")
def test_no_credentials(node, caller, first, second, last):
    challenge = 'Proxy-Authenticate: Digest realm="v", nonce="n", algorithm=MD5, qop="auth"'
    with policy(node, 1, "known", digest={"user": "tandem", "password": "secret"}):
        number = node.number("44")
        invite = caller.invite(number)
        moved(first, f"<sip:2@{SECOND}>")
        second.refuse(407, headers=[challenge])
        connected(node, caller, last, invite, number, [("first", "Rejected", 302), ("first", "Forbidden", 407)])
        second.nothing(0.05)


@scenario("a phone with three contacts: by q, one after the other; busy ends it")
@pytest.mark.parametrize("ends", ["answered", "busy"])
def test_contacts(node, caller, phone, nobody, ends):  # noqa: F811
    def contact(port, q):
        assert register(phone, "bob", "builder", contact=f"<sip:bob@{PHONE}:{port}>;q={q}").code == 200

    with NotingPeer(node.hosts["phone"], PHONE, "phone:5062", node.notes, port=5062) as second, \
            NotingPeer(node.hosts["phone"], PHONE, "phone:5064", node.notes, port=5064) as third:
        contact(5060, 0.1)
        contact(5064, 0.9)
        contact(5062, 0.5)
        phone.drain()
        invite = caller.invite("bob")
        third.refuse(480)
        if ends == "busy":
            second.refuse(486)
            caller.take_refusal(invite, 486)
        else:
            second.refuse(404)
            phone.answer()
            ok = caller.take_answer(invite, phone)
            caller.hang_up(invite, ok, phone)
        wanted = [("bob", "480"), ("bob", "486")] if ends == "busy" else [("bob", "480"), ("bob", "404"), ("bob", "200")]
        asked = f"SELECT routing_gateway, sip_code FROM tandem.cdr WHERE caller_sip_call_id = '{invite['call-id']}' ORDER BY attempt"
        wait_for(lambda: [tuple(row) for row in node.postgres.query(asked)] == wanted, 5, lambda: f"the records {node.postgres.query(asked)}")
