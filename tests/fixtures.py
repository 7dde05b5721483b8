# SPDX-License-Identifier: Apache-2.0
"""What fixtures of any scope are made of."""
import contextlib
import os
import tempfile
import types

from lab.postgres import PrivatePostgres
from lab.switch import Switch, base_config

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@contextlib.contextmanager
def a_folder():
    with tempfile.TemporaryDirectory(prefix="tandem-test-") as path:
        os.chmod(path, 0o755)
        yield path


@contextlib.contextmanager
def a_database(folder):
    database = PrivatePostgres(os.path.join(folder, "pg")).create()
    try:
        yield database
    finally:
        database.close()


@contextlib.contextmanager
def a_lab(net, folder, postgres, node, change=lambda config: None):
    """A started switch, a customer and a vendor of its own; `change` gets the configuration to add to."""
    lab = types.SimpleNamespace(net=net, folder=folder, postgres=postgres, customer=net.peer("customer", 10), vendor=net.peer("vendor", 20))
    config = base_config(node, folder, postgres.connection)
    config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10"]}]
    config["routing_gateways"] = [{"name": "vendor", "address": "10.77.0.20:5060", "prefixes": ["49"]}]
    change(config)
    lab.switch = Switch(net, folder, config).start()
    try:
        yield lab
    finally:
        print(lab.switch.log_tail(120))
        lab.switch.close()
