# SPDX-License-Identifier: Apache-2.0
"""A million phones behind NAT: is every one reached in its slot, and what does that cost signaling."""
from . import Failed, generator
from .cps import play
from .machine import Layout
from .node import Node, between, busy_between, config

PERIOD_S = 30
REGISTER_RATE = 40000
BURST_INTERVAL_MS = 10
SHARE_OF_PERIOD = 0.8  # a round takes so much of the period


def run(bench):
    generator.find(bench.build)
    layout, endpoints = Layout(), bench.endpoints
    bench.say(f"keep-alive: {endpoints} endpoints, period {PERIOD_S} s; {layout.text()}")
    settings = config(bench, layout, "signaling", 1000, 0, registrations=endpoints + endpoints // 20 + 1000)
    settings["phones"] = [{"user": "10000000", "count": endpoints, "password": "fleet"}]
    settings["parameters"].update({
        "SS_SIP_NAT_KEEP_ALIVE_PERIOD": PERIOD_S, "SS_SIP_NAT_KEEP_ALIVE_SEND_INTERVAL": BURST_INTERVAL_MS,
        "SS_SIP_NAT_KEEP_ALIVE_SEND_ONE_TIME": max(1, round(endpoints / (SHARE_OF_PERIOD * PERIOD_S * 1000 / BURST_INTERVAL_MS))),
    })
    scenario = {"name": "keepalive",
                "load": {"seconds": max(bench.seconds, PERIOD_S + 5), "warm_up": PERIOD_S},
                "registrations": {"endpoints": endpoints, "rate": REGISTER_RATE, "expires": 3600, "user": "10000000",
                                  "password": "fleet", "contact": "192.168.1.2", "period": PERIOD_S}}
    node = Node(bench, settings)
    with bench.running(node, layout):
        report, (first, last) = play(bench, layout, node, scenario, timeout_s=900 + endpoints / 5000,
                                     link=generator.phones_link(bench, layout))
    found = report["registrations"]
    if not found or found["registered"] < endpoints:
        raise Failed(f"only {found and found['registered']} of {endpoints} endpoints could be registered")
    busy_s, share, waited = busy_between(first, last, "signaling")
    sent = between(first, last, "registrar.keepalive_sent")
    return {"endpoints": endpoints, "period_s": PERIOD_S, "missed": found["missed"], "hellos": found["hellos"],
            "deviation_us": found["deviation"], "signaling_busy_share": share, "waited_share": waited,
            "sent": sent,
            "busy_ns_per_message": 1e9 * busy_s / sent if sent else None,
            "rounds_overrun": last["counters"]["keepalive.rounds_overrun"], "where": layout.text()}
