# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the suites at the wire: a network, a database, a switch. Needs root; what is missing fails, it never skips."""
import os
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "deploy"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from fixtures import a_database, a_folder  # noqa: E402
from lab.net import Network  # noqa: E402
from lab.switch import Switch, base_config  # noqa: E402


@pytest.fixture(scope="session")
def build():
    """The build tree under test: $TANDEM_BUILD, else build/."""
    return os.environ.get("TANDEM_BUILD") or os.path.join(TOP, "build")


@pytest.fixture(scope="module")
def folder():
    with a_folder() as path:
        yield path


@pytest.fixture(scope="module")
def net():
    with Network(f"tt{os.getpid() % 10000}") as network:
        yield network


@pytest.fixture(scope="module")
def postgres(folder):
    with a_database(folder) as database:
        yield database


@pytest.fixture
def make_switch(net, folder, postgres, request):
    """make_switch(change) → a started switch; `change` gets the base configuration to add to."""
    started = []

    def make(change=None, **options):
        config = base_config(f"tt{os.getpid() % 10000}-{len(started)}", folder, postgres.connection)
        if change:
            change(config)
        switch = Switch(net, folder, config, **options)
        started.append(switch)
        return switch.start()

    yield make
    for switch in started:
        if request.session.testsfailed:
            print(switch.log_tail(80))
        switch.close()
