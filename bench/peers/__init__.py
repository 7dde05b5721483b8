# SPDX-License-Identifier: Apache-2.0
"""What bench/compare drives: Tandem, Kamailio and rtpengine in the same place of the same network."""
