# SPDX-License-Identifier: Apache-2.0
"""Digest credentials (RFC 7616): made for a challenge, and judged by who made one."""
import hashlib
import re

HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}
# By the code: where the challenge stands, and where its answer.
CHALLENGE = {401: ("WWW-Authenticate", "authorization"), 407: ("Proxy-Authenticate", "proxy-authorization")}


def fields(header):
    return dict(re.findall(r'(\w+)="?([^",]+)"?', header))


def response_of(field, user, password, method, uri):
    def hashed(*parts):
        return HASHES[field.get("algorithm", "MD5")](":".join(parts).encode()).hexdigest()

    protection = [field["nc"], field["cnonce"], field["qop"]] if "qop" in field else []
    return hashed(hashed(user, field["realm"], password), field["nonce"], *protection, hashed(method, uri))


def digest(answer, user, password, method, uri, count=1):
    """The header that answers the first challenge of `answer`."""
    code = 401 if answer["www-authenticate"] else 407
    challenge = fields(answer[CHALLENGE[code][0]])
    field = {"realm": challenge["realm"], "nonce": challenge["nonce"], "algorithm": challenge.get("algorithm", "MD5"),
             "qop": "auth", "nc": f"{count:08x}", "cnonce": "c0ffee"}
    name = "Authorization" if code == 401 else "Proxy-Authorization"
    return (f'{name}: Digest username="{user}", realm="{field["realm"]}", nonce="{field["nonce"]}", uri="{uri}", '
            f'response="{response_of(field, user, password, method, uri)}", algorithm={field["algorithm"]}, qop=auth, '
            f'nc={field["nc"]}, cnonce="c0ffee"')


def challenge(peer, request, code, nonce="abc", qop=True):
    """The vendor wants credentials."""
    more = ', qop="auth"' if qop else ""
    peer.respond(request, code, "Who?", headers=[f'{CHALLENGE[code][0]}: Digest realm="vendor", nonce="{nonce}", algorithm=MD5{more}'])


def proves(request, code, user, password):
    """Whether a request brings the right answer to a challenge."""
    field = fields(request[CHALLENGE[code][1]] or "")
    return bool(field) and (field["username"], field["realm"], field["uri"]) == (user, "vendor", request.uri) and \
        field["response"] == response_of(field, user, password, request.method, request.uri)
