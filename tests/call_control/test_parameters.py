# SPDX-License-Identifier: Apache-2.0
"""The parameters of sessions, set-up, switching, registrations, records and media: what is allowed, and what each does.

The effects of those about switching and records are in test_failover.py, about registrations in test_registrations.py, about
media in test_media.py.
"""
import copy
import json
import os
import re
import socket
import subprocess
import time

import pytest
from lab.sockets import udp_socket
from lab.switch import as_yaml
from node import send_rtp

scenario = pytest.mark.scenario

# name: (default, [accepted], [refused]); the ends of the range and one past each. As parameters.md has it, not as the code.
ALLOWED = {
    "SS_SIP_SESSION_TTL": ("600", [0, 60, 86400], [1, 59, 86401]),
    "SS_SIP_SESSION_UPDATE_SEGMENT": ("2", [2, 10], [1, 11]),
    "SS_SIP_SESSION_TIMEOUT_EARLY_HANGUP": ("0", [0, 3600], [-1, 3601]),
    "SS_SIP_SESSION_MIN_SE": ("90", [90, 3600], [89, 3601]),
    "SS_SIP_NO_TIMER_REINVITE_INTERVAL": ("7200", [0, 86400], [-1, 86401]),
    "SS_SESSION_TIMER_REFRESHER": ("0", [0, 1], [-1, 2]),
    "SS_SESSION_TIMER": (None, [60, 86400], [59, 86401]),
    "SS_SESSION_TIMER_MIN_SE": (None, [90, 3600], [89, 3601]),
    "SS_MAX_CALL_DURATION": ("none", ["none", 1, 604800], [0, 604801]),
    "SS_ENDPOINT_EXPIRE": ("3600", [30, 86400], [29, 86401]),
    "SS_ENDPOINT_NAT_EXPIRE": ("300", [30, 86400], [29, 86401]),
    "SS_AUTHENTICATION_MAX_RETRY": ("6", [0, 999], [-1, 1000]),
    "SS_AUTHENTICATION_FAILED_SUSPEND": ("180", [60, 3600], [59, 3601]),
    "SS_REPLY_UNAUTHORIZED": ("on", [True, False], ["maybe", 2]),
    "SS_SIP_RESEND_INTERVAL": ("0.5,1,2,4,4,4,4,4,4,4", [[0.1], [60] * 10], [[], [0.1] * 11, [0], [61]]),
    "SS_SIP_SEND_RETRY": ("none", ["none", 0, 10], [-1, 11]),
    "SS_SIP_TIMEOUT_INVITE": ("10", [1, 120], [0, 121]),
    "SS_SIP_TIMEOUT_TRYING": ("20", [1, 300], [0, 301]),
    "SS_SIP_TIMEOUT_SESSION_PROGRESS": ("20", [1, 300], [0, 301]),
    "SS_SIP_TIMEOUT_SESSION_PROGRESS_SDP": ("120", [1, 600], [0, 601]),
    "SS_SIP_TIMEOUT_RINGING": ("120", [1, 600], [0, 601]),
    "SS_GATEWAY_SWITCH_LIMIT": ("none", ["none", 0, 100], [-1, 101]),
    "SS_GATEWAY_SWITCH_UNTIL_CONNECT": ("off", [True, False], ["maybe"]),
    "SS_GATEWAY_SWITCH_STOP_AFTER_RTP_START": ("on", [True, False], ["maybe"]),
    "SS_GATEWAY_SWITCH_STOP_AFTER_USER_BUSY": ("on", [True, False], ["maybe"]),
    "SS_SIP_STOP_SWITCH_AFTER_SDP": ("on", [True, False], ["maybe"]),
    "SS_SIP_USER_AGENT_STOP_SWITCH_AFTER_INVITE_TIMEOUT": ("off", [True, False], ["maybe"]),
    "SS_MEDIAPROXYMODE": ("auto", ["on", "off", "auto", "must_on"], ["must_off", 1]),
    "SS_MEDIAPROXYBEHINDNAT": ("on", [True, False], ["maybe"]),
    "SS_MEDIA_PROXY_BEHIND_NAT": (None, [True, False], ["maybe"]),
    "SS_MEDIAPROXYBETWEENNET": ("on", [True, False], ["maybe"]),
    "SS_NOMEDIAHANGUPTIME": ("0", [0, 3600], [-1, 3601]),
    "SS_QOS_SIGNAL": ("0xa0", [0, 255], [-1, 256]),
    "SS_QOS_RTP": ("0xa0", [0, 255], [-1, 256]),
    "SS_CDR_RECORD_NONCONNECT": ("on", [True, False], ["maybe"]),
}


def check(node, parameters):
    """`tandemctl check` of the node's configuration with these parameters: (exit status, what it says)."""
    path = os.path.join(node.folder, "checked.yaml")
    config = copy.deepcopy(node.switch.config)
    config["parameters"] = parameters
    with open(path, "w") as file:
        file.write(as_yaml(config))
    done = subprocess.run([os.path.join(node.build, "tandemctl", "tandemctl"), "--config", path, "check"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


@scenario("allowed values")
@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(node, name, saw):
    preset, accepted, refused = ALLOWED[name]
    if preset is not None:
        config = copy.deepcopy(node.switch.config)
        config["parameters"] = {}
        shown = subprocess.run([os.path.join(node.build, "tandemctl", "tandemctl"), "--config", "/dev/stdin", "--json", "parameters", name],
                               input=as_yaml(config), stdout=subprocess.PIPE, text=True).stdout
        row, = json.loads(shown)["parameters"]
        assert row["value"] == row["default"] == preset, shown
    for value in accepted:
        status, text = check(node, {name: value})
        assert status == 0, text
    for value in refused:
        status, text = check(node, {name: value})
        assert status == 3 and name in text and re.search(r"checked.yaml:\d+", text), f"{value}: {text}"
    saw(f"default {preset or 'an alias'}; taken: {accepted}; refused with file and line: {refused}".replace("True", "on").replace("False", "off"))


@scenario("a reload with one faulty value changes nothing")
def test_faulty_reload(node, caller, last):
    with node.changed() as good:
        faulty = copy.deepcopy(good)
        faulty["parameters"] |= {"SS_SIP_TIMEOUT_INVITE": 121, "SS_MAX_CALL_DURATION": 1}
        faulty["routing_gateways"][-1]["prefixes"] = ["98"]
        with pytest.raises(RuntimeError, match=r"tandem\.yaml:\d+: .*SS_SIP_TIMEOUT_INVITE.*121.*1 to 120"):
            node.switch.reload(faulty)
        node.switch.write_config(good)
        number = node.number()
        invite, ok, _ = caller.connect(last, number)
        node.clock.advance(5)
        assert node.standing(number)
        caller.hang_up(invite, ok, last)
        faulty["parameters"]["SS_SIP_TIMEOUT_INVITE"] = 120
        node.switch.reload(faulty)  # now all of it is in force
        caller.take_refusal(caller.invite(node.number()), 503)
        last.nothing(0.1)
    caller.hang_up(*caller.connect(last, node.number())[:2], last)


# ---- set-up ----

STAGES = {"INVITE": (None, False, 10, 1, 120, "InviteTimeout", 408), "TRYING": (100, False, 20, 1, 300, "TryingTimeout", 408),
          "SESSION_PROGRESS": (183, False, 20, 1, 300, "ProgressTimeout", 480),
          "SESSION_PROGRESS_SDP": (183, True, 120, 1, 600, "ProgressTimeout", 480), "RINGING": (180, False, 120, 1, 600, "RingingTimeout", 480)}
OVERRIDES = {"INVITE": "invite", "TRYING": "trying", "SESSION_PROGRESS": "progress", "SESSION_PROGRESS_SDP": "progress_sdp", "RINGING": "ringing"}


@scenario("a set-up time-out")
@pytest.mark.parametrize("stage, which", [(stage, which) for stage in STAGES for which in ("default", "least", "most", "gateway's own")])
def test_set_up_timeouts(node, caller, last, stage, which, saw):
    code, sdp, preset, least, most, reason, final = STAGES[stage]
    seconds = {"default": preset, "least": least, "most": most, "gateway's own": 7}[which]
    changes = {f"SS_SIP_TIMEOUT_{stage}": seconds} if which in ("least", "most") else {}
    if which == "gateway's own":
        changes["last"] = {"timeouts": {OVERRIDES[stage]: 7}}
    if which == "most" and stage == "INVITE":  # the resends must go on for as long
        changes["SS_SIP_RESEND_INTERVAL"] = [0.5, 60, 60]
    with node.changed(**changes):
        number = node.number()
        invite = caller.invite(number)
        received = last.expect("INVITE")
        if code:
            last.respond(received, code, "Progress", body=last.sdp(41000) if sdp else "")
        caller.expect(code or 100)
        if seconds > 1:
            node.clock.advance(seconds - 0.9, rate=500 if seconds > 100 else 100)
            assert node.calls(number)[0]["state"] == "setup" and not [m for m in caller.drain() if m.code >= 200]
            node.clock.advance(0.6)
        started = time.monotonic()
        caller.take_refusal(invite, final, 3)
        if seconds == 1:
            assert 0.7 < time.monotonic() - started < 1.6
        if code:
            last.take_cancel(received)
        node.record(number, reason, final, "server")
        saw(f"after {seconds} s")


def sendings(node, last, caller, seconds, start):
    """When the INVITE came again, and the failure that the caller got, with its time, in seconds of the node's clock after `start`."""
    times, failure = [], (None, 0)
    while node.clock.now() < start + seconds:
        node.clock.advance(0.25, rate=25)
        at = round((node.clock.now() - start) * 4) / 4
        times += [at for message in last.drain(0.001) if message.method == "INVITE"]
        for message in caller.drain(0.001):
            if (message.code or 0) >= 200 and not failure[0]:
                failure = message, at
    return times, *failure


def about(at, wanted):
    return wanted - 0.05 <= at <= wanted + 0.75


@scenario("SS_SIP_RESEND_INTERVAL and SS_SIP_SEND_RETRY: when an INVITE is sent again, and when it has failed")
@pytest.mark.parametrize("intervals, retry, again", [
    (None, None, [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]), ([0.1], None, [0.1]), ([3, 3, 3], None, [3, 6, 9]), (None, 0, []),
    (None, 2, [0.5, 1.5]), (None, 10, [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5])])
def test_resends(node, caller, last, intervals, retry, again, saw):
    parameters = {"SS_SIP_RESEND_INTERVAL": intervals, "SS_SIP_SEND_RETRY": retry, "SS_SIP_TIMEOUT_INVITE": 120}
    with node.changed(**{name: value for name, value in parameters.items() if value is not None}):
        number, fails = node.number(), (again or [0])[-1] + 0.5
        invite = caller.invite(number)
        last.expect("INVITE")
        times, failure, failed = sendings(node, last, caller, fails + 1, node.clock.now())
        saw(f"again after {times} s, failed after {failed} s")
        assert len(times) == len(again) and all(about(*pair) for pair in zip(times, again))
        assert failure.code == 408 and about(failed, fails)
        caller.ack(invite, failure)
        node.record(number, "InviteTimeout", 408, "server")


@scenario("SS_SIP_SEND_RETRY: what is being sent again when it changes keeps its schedule")
def test_resends_over_reload(node, caller, last, saw):
    number, again = node.number(), [0.5, 1.5, 3.5, 7.5]
    invite = caller.invite(number)
    last.expect("INVITE")
    start = node.clock.now()
    with node.changed(SS_SIP_SEND_RETRY=0):
        times, failure, failed = sendings(node, last, caller, 11, start)
        saw(f"again after {times} s, failed after {failed} s")
        assert len(times) == len(again) and all(about(*pair) for pair in zip(times[1:], again[1:]))
        assert failure.code == 408 and about(failed, 10)
        caller.ack(invite, failure)
        node.record(number, "InviteTimeout", 408, "server")


# ---- how long a call may last ----

@scenario("SS_MAX_CALL_DURATION")
@pytest.mark.parametrize("seconds", [1, 604800])
def test_max_duration(node, caller, last, seconds, saw):
    with node.changed(SS_MAX_CALL_DURATION=seconds, SS_SIP_NO_TIMER_REINVITE_INTERVAL=0):
        number = node.number()
        caller.connect(last, number)
        if seconds > 1:
            node.clock.advance(seconds - 20, rate=200000)
            assert node.standing(number)
            node.clock.advance(20)
        for peer in caller, last:
            peer.take_bye()
        record = node.record(number, "MaxDuration", None, "server")
        assert seconds <= record.duration < seconds + 1.5
        saw(f"duration {record.duration:.2f} s")


@scenario("SS_SIP_NO_TIMER_REINVITE_INTERVAL: a caller without session timers")
@pytest.mark.parametrize("seconds", [None, 1, 86400])
def test_no_timer_limit(node, caller, last, seconds, saw):
    with node.changed(**({"SS_SIP_NO_TIMER_REINVITE_INTERVAL": seconds} if seconds else {})):
        number = node.number()
        caller.connect(last, number)
        if seconds != 1:
            node.clock.advance((seconds or 7200) - 20, rate=100000 if seconds else 10000)
            assert node.standing(number)
            node.clock.advance(20)
        for peer in caller, last:
            peer.take_bye()
        record = node.record(number, "NoTimerLimit", None, "server")
        assert (seconds or 7200) <= record.duration < (seconds or 7200) + 1.5
        saw(f"duration {record.duration:.2f} s")


@scenario("SS_SIP_NO_TIMER_REINVITE_INTERVAL 0 and SS_MAX_CALL_DURATION none: no limit")
def test_no_limit(node, caller, last, saw):
    with node.changed(SS_SIP_NO_TIMER_REINVITE_INTERVAL=0):
        number = node.number()
        invite, ok, _ = caller.connect(last, number)
        node.clock.advance(3 * 86400, rate=200000)
        assert node.standing(number)
        caller.hang_up(invite, ok, last)
        saw(f"it stands after {node.record(number, 'Normal').duration / 86400:.1f} days")


@scenario("the shorter of two limits ends the call")
@pytest.mark.parametrize("longest, no_timer, reason", [(60, 90, "MaxDuration"), (90, 60, "NoTimerLimit")])
def test_shorter_limit(node, caller, last, longest, no_timer, reason):
    with node.changed(SS_MAX_CALL_DURATION=longest, SS_SIP_NO_TIMER_REINVITE_INTERVAL=no_timer):
        number = node.number()
        caller.connect(last, number)
        node.clock.advance(61)
        for peer in caller, last:
            peer.take_bye()
        assert 60 <= node.record(number, reason, None, "server").duration < 62


@scenario("a limit holds over kill -9, and keeps the value that the call began with")
def test_limit_over_kill(node, caller, last):
    with node.changed(SS_MAX_CALL_DURATION=60):
        number = node.number()
        caller.connect(last, number)
        node.switch.config["parameters"]["SS_MAX_CALL_DURATION"] = 1000
        node.switch.reload()
        node.kill_signaling()
        assert node.standing(number)
        node.clock.advance(61)
        for peer in caller, last:
            peer.take_bye()
        node.record(number, "MaxDuration", None, "server")


# ---- TOS ----

def tos_of_next(sock):
    sock.settimeout(5)
    while True:
        data, ancillary, _, _ = sock.recvmsg(65535, 128)
        if len(data) > 40:
            return ancillary[0][2][0]


@scenario("SS_QOS_SIGNAL: the TOS byte of SIP")
@pytest.mark.parametrize("value", [None, 0, 255])
def test_qos_signal(node, caller, value, saw):
    with node.changed(**({} if value is None else {"SS_QOS_SIGNAL": value})):
        caller.sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        caller.send(caller.request("OPTIONS", "sip:10.77.0.1:5060"))
        tos = tos_of_next(caller.sock)
        saw(f"{tos:#04x}")
        assert tos == (0xa0 if value is None else value)


@scenario("SS_QOS_RTP: the TOS byte of RTP")
@pytest.mark.parametrize("value", [None, 0, 255])
def test_qos_rtp(node, caller, last, value, saw):
    with node.changed(**({} if value is None else {"SS_QOS_RTP": value})):
        sock = udp_socket(node.hosts["caller"], caller.ip, 40000)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        invite, ok, received = caller.connect(last, node.number())
        send_rtp(node.hosts["last"], last.ip, 41000, received.media())
        tos = tos_of_next(sock)
        sock.close()
        caller.hang_up(invite, ok, last)
        saw(f"{tos:#04x}")
        assert tos == (0xa0 if value is None else value)
