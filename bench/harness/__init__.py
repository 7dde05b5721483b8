# SPDX-License-Identifier: Apache-2.0
"""What bench/run is made of: docs/performance.md says what is measured and how."""
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "deploy"))


class Failed(Exception):
    """A measurement that could not be made; the others go on."""
