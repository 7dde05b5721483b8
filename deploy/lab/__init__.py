# SPDX-License-Identifier: Apache-2.0
"""A test network on one machine: hosts in network namespaces on one bridge, a switch among them, a private PostgreSQL.

Used by deploy/quickstart and by the system tests. Only Python's standard library.
"""
