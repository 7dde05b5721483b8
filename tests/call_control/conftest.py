# SPDX-License-Identifier: Apache-2.0
"""One node for all scenarios, peers of each scenario's own, and the table of what was seen."""
import os

import pytest
from fixtures import a_database, a_folder
from lab.net import Network

pytest.register_assert_rewrite("node")
from node import CUSTOMER, PHONE, STRANGER, VENDORS, Node, NotingPeer, told  # noqa: E402

ROWS = pytest.StashKey()
SEEN = pytest.StashKey()


@pytest.fixture(scope="session")
def the_node(build):
    name = f"tc{os.getpid() % 10000}"
    with a_folder() as folder, Network(name) as net, a_database(folder) as postgres:
        node = Node(net, folder, postgres, build, name)
        yield node
        try:
            node.calm()
            node.check_records()
        finally:
            node.close()


@pytest.fixture
def node(the_node, request):
    """The node, with nothing left of other scenarios."""
    the_node.calm()
    the_node.notes = []
    yield the_node
    request.node.stash[SEEN] = request.node.stash.get(SEEN, []) + [told(the_node.notes)]


@pytest.fixture
def saw(request):
    """saw(text): goes into the table beside the messages."""
    def note(text):
        request.node.stash[SEEN] = request.node.stash.get(SEEN, []) + [str(text)]
    return note


def peer(name, ip):
    @pytest.fixture(name=name)
    def there(node):
        with NotingPeer(node.hosts[name], ip, name, node.notes) as one:
            yield one
    return there


caller, phone, stranger = peer("caller", CUSTOMER), peer("phone", PHONE), peer("stranger", STRANGER)
first, second, third, last = (peer(name, ip) for name, ip in VENDORS.items())


# ---- the table ----

def pytest_configure(config):
    config.stash[ROWS] = {}
    config.addinivalue_line("markers", "scenario(text): what the table calls it")
    config.addinivalue_line("markers", "missing(behaviour): it fails until the switch does that; the day it does, the mark has to go")


def pytest_collection_modifyitems(items):
    for item in items:
        missing = item.get_closest_marker("missing")
        if missing:
            item.add_marker(pytest.mark.xfail(reason="missing: " + missing.args[0], strict=True, raises=AssertionError))


def title(item):
    mark = item.get_closest_marker("scenario")
    text = mark.args[0] if mark else item.originalname.removeprefix("test_").replace("_", " ")
    return f"{text}: {item.callspec.id}" if hasattr(item, "callspec") else text


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    rows = item.config.stash[ROWS]
    seen = " · ".join(text for text in item.stash.get(SEEN, []) if text)
    if report.when == "call":
        verdict = "pass" if report.passed else "FAIL"
        if hasattr(report, "wasxfail"):
            verdict = "FAIL" if report.passed else report.wasxfail.removeprefix("reason: ")
        rows[item.nodeid] = [title(item), seen, verdict]
        if verdict == "FAIL":
            rows[item.nodeid][2] += ": " + " ".join(str(call.excinfo.value).split())[:200] if call.excinfo else ""
    elif report.failed:
        rows.setdefault(item.nodeid, [title(item), "", ""])[2] = f"FAIL in its {report.when}"
    if report.when == "teardown" and item.nodeid in rows:
        rows[item.nodeid][1] = seen


def pytest_terminal_summary(terminalreporter, config):
    rows = list(config.stash[ROWS].values())
    if not rows:
        return
    terminalreporter.section("scenarios")
    for scenario, seen, verdict in rows:
        terminalreporter.line(f"{scenario} | {seen or '-'} | {verdict}")
    missing = sum(verdict.startswith("missing") for _, _, verdict in rows)
    passed = sum(verdict == "pass" for _, _, verdict in rows)
    terminalreporter.line(f"{len(rows)} scenarios: {passed} pass, {missing} missing in the switch, {len(rows) - passed - missing} FAIL")
