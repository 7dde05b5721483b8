# SPDX-License-Identifier: Apache-2.0
"""Messages with the defects and oddities of RFC 4475, and those of RFC 5118 (IPv6), at the wire: what each gets and why;
and a call succeeds after each.
"""
import glob
import os
import re
import time

import pytest
from fixtures import TOP

pytestmark = pytest.mark.every_build

FUZZ = os.path.join(TOP, "tests", "fuzz")
DROPPED = None
ANY = "a final response"  # well formed: which one is up to routing, registrations and so on

# What a message must get, and why that is right.
RFC4475 = {
    "wsinv": (ANY, "3.1.1.1: white space and folding everywhere, all legal"),
    "intmeth": (501, "3.1.1.2: well formed, but nobody knows the method"),
    "esc01": (ANY, "3.1.1.3: escapes are legal in a URI"),
    "escnull": (ANY, "3.1.1.4: an escaped NUL is a character like others"),
    "esc02": (501, "3.1.1.5: escapes mean nothing in a method, so it is an unknown one"),
    "lwsdisp": (ANY, "3.1.1.6: no white space needed before '<'"),
    "longreq": (ANY, "3.1.1.7: long, and legal"),
    "dblreq": (ANY, "3.1.1.8: over UDP, what follows the body is ignored"),
    "semiuri": (ANY, "3.1.1.9: semicolons in the user part belong to it"),
    "transports": (ANY, "3.1.1.10: unknown transports in lower Vias are none of our business"),
    "mpart01": (405, "3.1.1.11: well formed; MESSAGE is known and not served"),
    "unreason": (DROPPED, "3.1.1.12: a reason phrase may hold UTF-8; the response belongs to nothing"),
    "noreason": (DROPPED, "3.1.1.13: a reason phrase may be empty; the response belongs to nothing"),
    "badinv01": (400, "3.1.2.1: empty parameters in Via"),
    "clerr": (400, "3.1.2.2: Content-Length beyond the datagram"),
    "ncl": (400, "3.1.2.3: negative Content-Length"),
    "scalar02": (400, "3.1.2.4: numbers over their ranges"),
    "scalarlg": (DROPPED, "3.1.2.5: the same in a response: discarded"),
    "quotbal": (400, "3.1.2.6: a quote without its other half"),
    "ltgtruri": (400, "3.1.2.7: angle brackets around the Request-URI"),
    "lwsruri": (400, "3.1.2.8: white space in the Request-URI"),
    "lwsstart": (400, "3.1.2.9: more than one space in the start line"),
    "trws": (400, "3.1.2.10: white space behind the version"),
    "escruri": (400, "3.1.2.11: headers in the Request-URI"),
    "baddate": (ANY, "3.1.2.12: nobody reads Date, so its time zone does no harm"),
    "regbadct": (400, "3.1.2.13: a '?' in a Contact without brackets"),
    "badaspec": (ANY, "3.1.2.14: blanks inside the brackets are harmless: read liberally"),
    "baddn": (ANY, "3.1.2.15: a comma in an unquoted name is harmless in To and From: read liberally"),
    "badvers": (505, "3.1.2.16: another version"),
    "mismatch01": (400, "3.1.2.17: CSeq names another method"),
    "mismatch02": (400, "3.1.2.18: the same with an unknown method"),
    "bigcode": (DROPPED, "3.1.2.19: a status code of ten digits"),
    "badbranch": (ANY, "3.2.1: the magic cookie alone: matched as RFC 2543 does"),
    "insuf": (400, "3.3.1: no From, To and Call-ID"),
    "unkscm": (416, "3.3.2: an unknown scheme"),
    "novelsc": (416, "3.3.3: a known scheme of something else"),
    "unksm2": (400, "3.3.4: schemes in From, To and Contact: no address that anybody registers here"),
    "bext01": (420, "3.3.5: Require with what nobody can"),
    "invut": (415, "3.3.6: a body we cannot read"),
    "regaut01": (ANY, "3.3.7: an unknown scheme of authorization: the registrar challenges"),
    "multi01": (400, "3.3.8: headers twice that may be there once"),
    "mcl01": (400, "3.3.9: two lengths that differ"),
    "bcast": (DROPPED, "3.3.10: a response with more than one Via"),
    "zeromf": (483, "3.3.11: no hops left"),
    "cparam01": (ANY, "3.3.12: a Contact parameter"),
    "cparam02": (ANY, "3.3.13: a URI parameter"),
    "regescrt": (ANY, "3.3.14: headers in the URI of a Contact in brackets"),
    "sdp01": (ANY, "3.3.15: a caller who accepts no SDP"),
    "inv2543": (400, "3.4.1: no tag, branch, Max-Forwards and Content-Length, as RFC 2543 had it, are no reason; but without a Contact "
                     "(RFC 3261 8.1.1.8) nobody is reached in the dialog"),
}
RFC5118 = {
    "ipv6-good": (ANY, "4.1: IPv6 references in Request-URI, Via and Contact are legal; the registrar judges the user"),
    "ipv6-bad": (400, "4.2: an IPv6 address in a URI needs its brackets"),
    "port-ambiguous": (ANY, "4.3: what is in the brackets is all address, so it is well formed"),
    "port-unambiguous": (ANY, "4.4: a port stands outside the brackets"),
    "via-received-param-with-delim": (481, "4.5: received with brackets: liberally read; its dialog does not exist"),
    "via-received-param-no-delim": (200, "4.5: received without brackets is how it is written"),
    "ipv6-in-sdp": (ANY, "4.6: IP6 in the session description; routed like any"),
    "mult-ip-in-header": (481, "4.7: Vias of both families are legal; its dialog does not exist"),
    "mult-ip-in-sdp": (ANY, "4.8: each media line with an address of its own family is legal"),
    "ipv4-mapped-ipv6": (ANY, "4.9: a mapped address is an IPv6 address like others"),
    "ipv6-bug-abnf-3-colons": (200, "4.10: the third colon that RFC 3261's grammar allows is no reason to refuse a URI whose host nobody needs"),
    "ipv6-correct-abnf-2-colons": (200, "4.10: the same address as it is written"),
}
SETS = [("4475", "torture", RFC4475), ("5118", "torture6", RFC5118)]


@pytest.mark.scenario("the torture messages are all here")
def test_all_of_them():
    for _, directory, expected in SETS:
        names = {os.path.basename(path)[:-4] for path in glob.glob(os.path.join(FUZZ, directory, "*.sip"))}
        assert names == set(expected)
    assert len(RFC4475) == 49


@pytest.mark.scenario("torture")
@pytest.mark.parametrize("directory, name, expected, why", [(directory, name, *expected[name]) for _, directory, expected in SETS for name in expected],
                         ids=[f"RFC {rfc} {name}" for rfc, _, expected in SETS for name in expected])
def test_torture(node, caller, last, saw, directory, name, expected, why):
    with open(os.path.join(FUZZ, directory, f"{name}.sip"), "rb") as file:
        message = file.read()
    before = pids(node)
    caller.send(message)
    final = final_response(caller, last, call_id(message), 0.3 if expected is DROPPED else 3)
    saw(f"{'dropped' if final is None else final.code} ({why})")
    assert (final is None) == (expected is DROPPED)
    if expected is ANY:
        assert final.code not in (400, 500)
    elif final:
        assert final.code == expected
    node.notes.clear()
    a_call_succeeds(node, caller, last)
    assert pids(node) == before
    node.notes.clear()


def pids(node):
    """Who runs: nobody may have died of a message, however soon he was there again."""
    return {role: process["pid"] for role, process in node.switch.status().items()}


def call_id(message):
    """Each message has its own: answers to the one before may still be resent."""
    found = re.search(rb"^(?:call-id|i)[ \t]*:\s*(\S+)", message, re.M | re.I)
    return found.group(1).decode(errors="replace") if found else None


def final_response(caller, last, wanted, timeout_s):
    """What the message gets; if it reaches the vendor, he answers 404."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        routed = last.receive(0.02)
        if routed and routed.method == "INVITE" and not routed.code:
            last.respond(routed, 404, "Not Found")
        message = caller.receive(0.05)
        if message and message.code >= 200 and message["call-id"] == wanted:
            return message
    return None


def a_call_succeeds(node, caller, last):
    caller.drain(0.01)
    last.drain(0.01)
    number = node.number()
    invite = caller.invite(number)
    received = last.expect("INVITE")
    while number not in received.uri:
        last.respond(received, 404, "Not Found")
        received = last.expect("INVITE")
    last.respond(received, 200, "OK", body=last.sdp())
    ok = caller.expect(200)
    while ok["call-id"] != invite["call-id"]:
        ok = caller.expect(200)
    caller.ack(invite, ok)
    caller.send(caller.in_dialog("BYE", invite, ok))
    last.take_bye()
    caller.expect(200)
