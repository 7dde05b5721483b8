# SPDX-License-Identifier: Apache-2.0
"""tandem-carrier from Python: customers and vendors that count and compare what they see."""
import json
import os
import subprocess


def _place(host, ip, port):
    return f"{host.namespace},{'[%s]' % ip if ':' in ip else ip}:{port}"


class Carrier:
    """Calls from `customer` through `switch_address` to `vendors`: [(host, ip, "" | "silent" | code), ...].

    A vendor that answers comes last in the list: the audio of the vendor's side is its.
    """

    def __init__(self, build, customer, customer_ip, switch_address, vendors, port=5060, vendor_port=5060, calls_file=None,
                 **options):
        self.calls_file = calls_file
        self.command = [os.path.join(build, "bench", "carrier", "tandem-carrier"),
                        "--caller", _place(customer, customer_ip, port), "--switch", switch_address]
        for host, ip, does in vendors:
            self.command += ["--vendor", _place(host, ip, vendor_port) + (f",{does}" if does else "")]
        if calls_file:
            self.command += ["--calls-file", calls_file]
        for name, value in options.items():
            if value is True:
                self.command += ["--" + name.replace("_", "-")]
            elif value is not False:
                self.command += ["--" + name.replace("_", "-"), str(value)]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        return self

    def finish(self, timeout_s=300):
        """Wait for the end; returns the report."""
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        if self.process.returncode != 0:
            raise RuntimeError(f"{' '.join(self.command)}: {err}")
        return json.loads(out)

    def run(self, timeout_s=300):
        return self.start().finish(timeout_s)

    def calls(self):
        """What each call saw, after finish()."""
        with open(self.calls_file) as file:
            return [json.loads(line) for line in file]
