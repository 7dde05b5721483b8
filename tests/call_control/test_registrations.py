# SPDX-License-Identifier: Apache-2.0
"""Phones register: RFC 3665 section 2, and the parameters of registrations."""
import hashlib
import re
import time

import pytest

scenario = pytest.mark.scenario


def digest(answer, user, password, method, uri, count=1):
    """The header that answers the first challenge of `answer`."""
    challenge = answer["www-authenticate"] or answer["proxy-authenticate"]
    field = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    hashes = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}[field.get("algorithm", "MD5")]

    def hashed(*parts):
        return hashes(":".join(parts).encode()).hexdigest()

    response = hashed(hashed(user, field["realm"], password), field["nonce"], f"{count:08x}", "c0ffee", "auth", hashed(method, uri))
    name = "Authorization" if answer["www-authenticate"] else "Proxy-Authorization"
    return (f'{name}: Digest username="{user}", realm="{field["realm"]}", nonce="{field["nonce"]}", uri="{uri}", response="{response}", '
            f'algorithm={field.get("algorithm", "MD5")}, qop=auth, nc={count:08x}, cnonce="c0ffee"')
