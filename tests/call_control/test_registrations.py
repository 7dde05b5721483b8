# SPDX-License-Identifier: Apache-2.0
"""Phones register: RFC 3665 section 2, and the parameters of registrations."""
import re
import time

import pytest
from credentials import digest
from lab.net import wait_for
from sip_peer import Message

scenario = pytest.mark.scenario


def register(peer, user, password, *headers, call_id=None, cseq=1, contact=None):
    """REGISTER, the challenge, REGISTER again; returns the final response."""
    uri = "sip:tandem.test"

    def text(*more, number):
        made = peer.request("REGISTER", uri, cseq=number, headers=list(more) + list(headers) + ([f"Contact: {contact}"] if contact else []),
                            user=user, call_id=call_id)
        return re.sub(r"^To: .*$", f"To: <sip:{user}@tandem.test>", text_without_contact(made) if contact == "" else made, flags=re.M)

    call_id = call_id or f"{user}-{time.monotonic()}"
    peer.send(text(number=cseq))
    first = peer.expect((401, 403, 423, 400))
    if first.code != 401:
        return first
    peer.send(text(digest(first, user, password, "REGISTER", uri), number=cseq + 1))
    return peer.expect((200, 400, 403, 423, 500))


def text_without_contact(text):
    return re.sub(r"^Contact: .*\r\n", "", text, flags=re.M)


def contacts(node, user):
    return sorted(row["contact"] for row in node.switch.ctl_json("registrations")["registrations"] if row["user"] == user)


@pytest.fixture
def nobody(node):
    """No registration of another scenario is left."""
    def none():
        return not node.switch.ctl_json("registrations")["registrations"]
    if not none():
        node.clock.advance(86500, rate=200000)
        wait_for(none, 5, "no registration is left")


@scenario("RFC 3665 2.1: a new registration")
@pytest.mark.parametrize("algorithms", ["MD5", "SHA-256"])
def test_new(node, phone, nobody, algorithms):
    with node.changed():
        node.switch.config["digest_algorithms"] = algorithms
        node.switch.reload()
        answer = register(phone, "bob", "builder")
        assert answer.code == 200 and "sip:bob@10.77.0.30:5060" in answer["contact"] and contacts(node, "bob") == ["sip:bob@10.77.0.30:5060"]


@scenario("RFC 3665 2.2: another contact joins, with its own q")
def test_second_contact(node, phone, nobody):
    register(phone, "bob", "builder")
    answer = register(phone, "bob", "builder", contact="<sip:bob@10.77.0.30:5062>;q=0.3")
    said = ", ".join(answer.all("contact"))
    assert sorted(re.findall(r"<([^>]+)>", said)) == contacts(node, "bob") == ["sip:bob@10.77.0.30:5060", "sip:bob@10.77.0.30:5062"]
    assert re.search(r":5062>[^,]*;q=0\.3", said)


@scenario("RFC 3665 2.3: which contacts are there")
def test_fetch(node, phone, nobody):
    register(phone, "bob", "builder")
    answer = register(phone, "bob", "builder", contact="")
    assert answer.code == 200 and "sip:bob@10.77.0.30:5060" in answer["contact"]


@scenario("RFC 3665 2.4: cancelled")
@pytest.mark.parametrize("how", ["Expires: 0", "*"])
def test_cancelled(node, phone, nobody, how):
    register(phone, "bob", "builder")
    if how == "*":
        answer = register(phone, "bob", "builder", "Expires: 0", contact="*")
    else:
        answer = register(phone, "bob", "builder", "Expires: 0")
    assert answer.code == 200 and answer["contact"] is None and contacts(node, "bob") == []


@scenario("RFC 3665 2.5: the wrong password")
def test_wrong_password(node, phone, nobody):
    assert register(phone, "alice", "looking-glass").code == 403
    assert contacts(node, "alice") == []


@scenario("an answer that was used cannot be used again, by anybody")
def test_replay(node, phone, stranger, nobody):
    uri = "sip:tandem.test"
    phone.send(re.sub(r"^To: .*$", "To: <sip:1001@tandem.test>", phone.request("REGISTER", uri, user="1001", call_id="replay"), flags=re.M))
    header = digest(phone.expect(401), "1001", "fleet", "REGISTER", uri)

    def send(peer, cseq):
        peer.send(re.sub(r"^To: .*$", "To: <sip:1001@tandem.test>",
                         peer.request("REGISTER", uri, user="1001", call_id="replay", cseq=cseq, headers=[header]), flags=re.M))
        return peer.expect((200, 401, 403)).code

    assert send(phone, 2) == 200
    assert send(phone, 3) == send(stranger, 4) == 401


def granted(answer):
    return int(re.search(r"expires=(\d+)", answer["contact"]).group(1))


@scenario("SS_ENDPOINT_EXPIRE: the longest registration, by default and at both ends; it ends then")
@pytest.mark.parametrize("value", [None, 30, 86400])
def test_expire(node, phone, nobody, value, saw):
    with node.changed(**({"SS_ENDPOINT_EXPIRE": value} if value else {})):
        answer = register(phone, "1002", "fleet", "Expires: 100000")
        assert granted(answer) == (value or 3600)
        node.clock.advance(granted(answer) - 1, rate=200000 if value == 86400 else 2000)
        assert contacts(node, "1002")
        node.clock.advance(2)
        wait_for(lambda: not contacts(node, "1002"), 3, "the registration ends")
        saw(f"granted and ended after {granted(answer)} s")


@scenario("SS_ENDPOINT_NAT_EXPIRE: the longest one behind NAT, by default and at both ends")
@pytest.mark.parametrize("value", [None, 30, 86400])
def test_nat_expire(node, phone, nobody, value, saw):
    with node.changed(SS_ENDPOINT_EXPIRE=86400, **({"SS_ENDPOINT_NAT_EXPIRE": value} if value else {})):
        answer = register(phone, "1003", "fleet", "Expires: 100000", contact="<sip:1003@192.168.1.5:5060>")
        assert granted(answer) == (value or 300)
        saw(f"granted {granted(answer)} s to a contact that is not where it was heard from")


@scenario("shorter than allowed: 423 with Min-Expires")
def test_too_short(node, phone, nobody):
    answer = register(phone, "1004", "fleet", "Expires: 10")
    assert answer.code == 423 and answer["min-expires"] == "30"


@scenario("SS_AUTHENTICATION_MAX_RETRY: so many wrong digests, then suspended; one fewer, and the right one is taken")
@pytest.mark.parametrize("value", [None, 0, 1, 999])
def test_max_retry(node, stranger, nobody, value, saw):
    user = {None: "1005", 0: "1006", 1: "1007", 999: "1008"}[value]
    most = 6 if value is None else value

    def guess(times):
        for _ in range(times):
            before = len(node.notes)
            assert register(stranger, user, "guess").code == 403
            del node.notes[max(before, 60):]  # of the first ones it is enough to see

    with node.changed(**({} if value is None else {"SS_AUTHENTICATION_MAX_RETRY": value})):
        guess(most - 1 if most else 20)
        assert register(stranger, user, "fleet").code == 200
        guess(most)
        suspended = register(stranger, user, "fleet").code == 403
        assert suspended == (most > 0)
        saw(f"after {most or 20} wrong ones the right one is {'refused' if suspended else 'taken'}")


@scenario("SS_AUTHENTICATION_FAILED_SUSPEND: for so long, by default and at both ends")
@pytest.mark.parametrize("value", [None, 60, 3600])
def test_suspended_for(node, stranger, nobody, value, saw):
    user = {None: "1010", 60: "1011", 3600: "1012"}[value]
    seconds = value or 180
    with node.changed(SS_AUTHENTICATION_MAX_RETRY=1, **({"SS_AUTHENTICATION_FAILED_SUSPEND": value} if value else {})):
        assert register(stranger, user, "guess").code == 403
        node.clock.advance(seconds - 2, rate=2000)
        assert register(stranger, user, "fleet").code == 403
        node.clock.advance(3)
        assert register(stranger, user, "fleet").code == 200
        saw(f"refused until {seconds} s had passed")


@scenario("SS_REPLY_UNAUTHORIZED: what strangers get")
@pytest.mark.parametrize("method, code", [("INVITE", 403), ("REGISTER", 403), ("OPTIONS", 200), ("SUBSCRIBE", 405), ("BYE", 481), ("MESSAGE", 405)])
@pytest.mark.parametrize("reply", [None, True, False])
def test_strangers(node, stranger, method, code, reply):
    with node.changed(**({} if reply is None else {"SS_REPLY_UNAUTHORIZED": reply})):
        to_tag = "nobody" if method == "BYE" else None
        text = stranger.request(method, "sip:mallory@10.77.0.1:5060", user="mallory", to_tag=to_tag,
                                body=stranger.sdp() if method == "INVITE" else "")
        stranger.send(text)
        if reply is False:
            stranger.nothing(0.4)
        elif method == "INVITE":
            stranger.take_refusal(Message(text.encode()), code)
        else:
            assert stranger.receive().code == code
