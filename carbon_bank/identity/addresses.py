"""Which logins are e-mail addresses.

Stricter than RFC 5322: no quoted parts, no comments, nothing but ASCII, at least two labels of a domain. So nothing that passes
can add a header or a second recipient, whatever somebody chose as a login.
"""

from __future__ import annotations

import re

_LOCAL_LENGTH_MAX, _LENGTH_MAX = 64, 254
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS = re.compile(rf"([a-z0-9!#$%&'*+/=?^_`{{|}}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{{|}}~-]+)*)@{_LABEL}(?:\.{_LABEL})+")


def is_mail_address(login: str) -> bool:
    """Whether mail can be sent to a login, in small letters."""
    found = _ADDRESS.fullmatch(login)
    return found is not None and len(found[1]) <= _LOCAL_LENGTH_MAX and len(login) <= _LENGTH_MAX
