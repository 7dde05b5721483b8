# SPDX-License-Identifier: Apache-2.0
"""Phones at the wire: registering, being known, being called, and what a stranger gets."""
import hashlib
import os
import re
import time

import pytest
from fixtures import a_lab
from lab.net import wait_for
from sip_peer import SipPeer

pytestmark = pytest.mark.every_build

REALM = "tandem.test"
URI = f"sip:{REALM}"


@pytest.fixture(scope="module")
def lab(net, folder, postgres):
    def change(config):
        config["digest_algorithms"] = "both"
        config["processes"]["signaling"]["workers"] = sorted(os.sched_getaffinity(0))[:2]  # users and calls fall to different ones
        config["phones"] = [{"user": "alice", "password": "wonderland", "capacity": 1}, {"user": "1000", "count": 20, "password": "fleet"}]

    with a_lab(net, folder, postgres, "tt-reg", change) as lab:
        lab.home, lab.stranger = net.peer("home", 30), net.peer("stranger", 66)
        yield lab


@pytest.fixture
def phone(lab):
    with SipPeer(lab.home, "10.77.0.30") as peer:
        yield peer


def digest(answer, user, password, method, uri, count=1):
    """The Authorization that answers the first (strongest) challenge."""
    challenge = answer["www-authenticate"] or answer["proxy-authenticate"]
    field = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    hashed = lambda text: hashlib.sha256(text.encode()).hexdigest()  # noqa: E731
    assert field["algorithm"] == "SHA-256" and field["realm"] == REALM
    response = hashed(":".join([hashed(f"{user}:{REALM}:{password}"), field["nonce"], f"{count:08x}", "c0ffee", "auth",
                                hashed(f"{method}:{uri}")]))
    name = "Authorization" if answer["www-authenticate"] else "Proxy-Authorization"
    return (f'{name}: Digest username="{user}", realm="{REALM}", nonce="{field["nonce"]}", uri="{uri}", '
            f'response="{response}", algorithm=SHA-256, qop=auth, nc={count:08x}, cnonce="c0ffee"')


def register_text(peer, user, cseq, *headers, call_id=None):
    text = peer.request("REGISTER", URI, cseq=cseq, headers=headers, user=user, call_id=call_id)
    return re.sub(r"^To: .*$", f"To: <sip:{user}@{REALM}>", text, flags=re.M)


def register(peer, user, password, *headers, cseq=1, call_id=None):
    call_id = call_id or f"{user}-{time.monotonic()}"
    peer.send(register_text(peer, user, cseq, *headers, call_id=call_id))
    challenge = peer.expect(401)
    peer.send(register_text(peer, user, cseq + 1, digest(challenge, user, password, "REGISTER", URI), *headers, call_id=call_id))
    return peer.expect((200, 400, 403, 423, 500))


def registrations(lab, user):
    return [r for r in lab.switch.ctl_json("registrations")["registrations"] if r["user"] == user]


def test_register_refresh_and_remove(lab, phone):
    answer = register(phone, "alice", "wonderland", "Expires: 600")
    assert answer.code == 200 and answer["contact"].endswith(";expires=600")
    row, = registrations(lab, "alice")
    assert row["contact"] == "sip:alice@10.77.0.30:5060"
    assert register(phone, "alice", "wonderland", "Expires: 10").code == 423
    answer = register(phone, "alice", "wonderland", "Contact: *", "Expires: 0")
    assert answer.code == 200 and answer["contact"] is None
    assert registrations(lab, "alice") == []


def test_many_users_over_two_workers(lab, phone):
    for user in range(1000, 1020):
        assert register(phone, str(user), "fleet").code == 200
    assert len([r for r in lab.switch.ctl_json("registrations")["registrations"]]) >= 20
    assert lab.switch.counters()["worker.handed_over"] > 0
    assert lab.switch.counters().get("registrar.misrouted", 0) == 0


def test_wrong_password_then_suspended(lab):
    with SipPeer(lab.stranger, "10.77.0.66") as stranger:
        for _ in range(6):
            assert register(stranger, "1007", "guess").code == 403
        assert register(stranger, "1007", "fleet").code == 403
    assert lab.switch.counters()["registrar.suspensions"] == 1
    # The phone itself, where it is registered, goes on.
    with SipPeer(lab.home, "10.77.0.30") as home:
        assert register(home, "1007", "fleet").code == 200


def test_strangers(lab):
    with SipPeer(lab.stranger, "10.77.0.66") as stranger:
        stranger.send(register_text(stranger, "mallory", 1))
        assert stranger.expect((401, 403)).code == 403
        lab.switch.config["parameters"]["SS_REPLY_UNAUTHORIZED"] = False
        lab.switch.reload()
        stranger.send(register_text(stranger, "mallory", 1))
        stranger.invite("4930100")
        stranger.nothing(1)
        lab.switch.config["parameters"]["SS_REPLY_UNAUTHORIZED"] = True
        lab.switch.reload()
        stranger.send(register_text(stranger, "mallory", 1))
        assert stranger.expect((401, 403)).code == 403


def test_phone_is_called_up_to_its_capacity(lab, phone):
    assert register(phone, "alice", "wonderland").code == 200
    with SipPeer(lab.customer, "10.77.0.10") as caller:
        invite = caller.invite("alice")
        received = phone.expect("INVITE")
        assert received.uri.startswith("sip:alice@10.77.0.30")
        phone.respond(received, 200, "OK", body=phone.sdp(41000))
        ok = caller.expect(200)
        caller.ack(invite, ok)
        phone.expect("ACK")
        second = caller.invite("alice")
        refused = caller.expect((480, 486, 503))
        caller.ack(second, refused)
        caller.send(caller.in_dialog("BYE", invite, ok))
        phone.respond(phone.expect("BYE"), 200, "OK")
        caller.expect(200)


def test_phone_calls_with_its_digest(lab, phone):
    with SipPeer(lab.vendor, "10.77.0.20") as vendor:
        uri = "sip:4930200@10.77.0.1:5060"
        invite = phone.invite("4930200", user="alice", call_id="digest-call")
        challenge = phone.expect(407)
        phone.ack(invite, challenge)
        phone.invite("4930200", user="alice", call_id="digest-call", cseq=2, from_tag=invite.tag("from"),
                     headers=[digest(challenge, "alice", "wonderland", "INVITE", uri)])
        vendor.respond(vendor.expect("INVITE"), 404, "Not Found")
        phone.expect((404, 503))


def test_hangup_and_kill(lab, phone):
    assert register(phone, "alice", "wonderland").code == 200
    starts = lab.switch.status()["signaling"]["starts"]
    lab.switch.kill("signaling")
    wait_for(lambda: lab.switch.status()["signaling"]["starts"] == starts + 1 and
             lab.switch.status()["signaling"]["state"] == "ready", 10, "signaling is back")
    with SipPeer(lab.customer, "10.77.0.10") as caller:
        invite = caller.invite("alice")
        received = phone.expect("INVITE")  # the registration lived on
        phone.respond(received, 200, "OK", body=phone.sdp(41000))
        ok = caller.expect(200)
        caller.ack(invite, ok)
        phone.expect("ACK")
        call, = lab.switch.calls()
        lab.switch.ctl("hangup", call["id"])
        for peer in (caller, phone):
            peer.respond(peer.expect("BYE"), 200, "OK")
    wait_for(lambda: lab.switch.calls() == [], 5, "the call is gone")
