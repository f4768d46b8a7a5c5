"""How a value of a manifest gets into nginx's configuration: one function for each kind of value, and no other way.

Each returns the text as it is to stand in the file, or raises Refused. nginx's own rules for tokens
(ngx_conf_file.c, ngx_conf_read_token): within double quotes only the quote and the backslash are special, as `\\"` and `\\\\`;
a `$` is literal in names of locations and regular expressions, and a variable in most other places.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse

MAX_PATH = 1024
MAX_SECONDS = 365 * 24 * 3600
MAX_REPEAT = 1000

_LABEL = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_REWRITE = re.compile(r"/(?:[A-Za-z0-9._~!&()*+,=:@%/?-]|\$[1-9])*")
_REPEAT = re.compile(r"\{([0-9]{1,4})(,?)([0-9]{0,4})\}")
_GROUP = re.compile(r"\(\?(?!:|=|!|<=|<!)|\(\*")


class Refused(Exception):
    """A value that cannot stand in the configuration; the message says what it would have to be."""


def text(value: str) -> str:
    """Any text without control characters, as one token. A `$` in it is a variable where nginx looks for some."""
    if _CONTROL.search(value):
        raise Refused("must not contain control characters")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refused("must be valid UTF-8") from error
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def host(value: str) -> str:
    """A host name, or a wildcard as a regular expression: `*` is one label, which nginx's own wildcards do not keep to."""
    name = host_name(value)
    if name.startswith("*."):
        return '"~^[^.]+\\\\.' + name[2:].replace(".", "\\\\.") + '$"'
    return name


def host_name(value: str) -> str:
    """The host in lower case, if it is one; a wildcard is one label, the first."""
    name = value.lower()
    if not _HOST.fullmatch(name) or len(name) > 253 or name == "*":
        raise Refused("must be a host name, or '*.' and a host name")
    return name


def decoded(path: str) -> str:
    """A path of a rule as nginx compares it: percent-decoded. Refuses what no request can have: nginx merges `//` and `/./`."""
    if not path.startswith("/"):
        raise Refused("must be an absolute path")
    if len(path) > MAX_PATH:
        raise Refused(f"must be no more than {MAX_PATH} characters")
    if "%2f" in path.lower():
        raise Refused("must not contain '%2f'")
    try:
        plain = urllib.parse.unquote(path, errors="strict")
    except UnicodeDecodeError as error:
        raise Refused("must be UTF-8 where it is percent-encoded") from error
    if "//" in plain or re.search(r"/\.{1,2}(/|$)", plain):
        raise Refused("must not contain '//', '/./' or '/../'")
    text(plain)
    return plain


def regex(pattern: str) -> str:
    """A regular expression for paths, bounded so that it can do no harm to others; whether it is one, nginx says itself."""
    if not pattern.startswith("/"):
        raise Refused("must be an absolute path")
    if len(pattern) > MAX_PATH:
        raise Refused(f"must be no more than {MAX_PATH} characters")
    if _GROUP.search(pattern):
        raise Refused(
            "must be a plain regular expression: of what begins with '(?' only '(?:', '(?=', '(?!', '(?<=', '(?<!'"
        )
    total = 1
    for low, _, high in _REPEAT.findall(pattern):
        total *= max(1, int(low), int(high or 0))
    if total > MAX_REPEAT:
        raise Refused(f"must not repeat anything more than {MAX_REPEAT} times")
    return text(f"^{pattern}")


def literal(path: str) -> str:
    """A regular expression that matches `path` alone."""
    return text(f"^{re.escape(path)}\\z")


def rewrite(target: str) -> str:
    """What a path becomes: of URL characters and $1 to $9 alone, so that no variable of nginx's can be read."""
    if len(target) > MAX_PATH or not _REWRITE.fullmatch(target) or target.startswith("//"):
        raise Refused("must be an absolute path of letters, digits and -._~!&()*+,=:@%/?, with $1 to $9")
    return text(target)


def realm(value: str) -> str:
    """What a browser shows when it asks for a password. nginx reads variables in it, and puts it between quotes as it is."""
    if re.search(r'[$"\\]', value) or len(value) > 256 or value == "off":
        raise Refused("must be text of at most 256 characters without '$', quotes and backslashes, and not 'off'")
    return text(value)


def size(value: str) -> str:
    """A size in nginx's form; 0 is without limit."""
    if not re.fullmatch(r"[0-9]{1,9}[kKmMgG]?", value):
        raise Refused("must be a size such as 10m; 0 is without limit")
    return value.lower()


def seconds(value: str) -> int:
    """A time in seconds; a trailing `s` is taken."""
    if not re.fullmatch(r"[0-9]{1,9}s?", value) or not 1 <= int(value.rstrip("s")) <= MAX_SECONDS:
        raise Refused(f"must be a number of seconds between 1 and {MAX_SECONDS}")
    return int(value.rstrip("s"))


def cidr(value: str) -> str:
    """An address or a range, canonical."""
    try:
        network = ipaddress.ip_network(value.strip(), strict=False)
    except ValueError as error:
        raise Refused("must be addresses or ranges such as 10.0.0.0/8") from error
    return str(network)


def address(value: str, port: int) -> str:
    """An address and a port of a pod."""
    try:
        found = ipaddress.ip_address(value)
    except ValueError as error:
        raise Refused("must be an address") from error
    if not 1 <= port <= 65535:
        raise Refused("must be a port")
    return f"{found}:{port}" if found.version == 4 else f"[{found}]:{port}"


def thumbprint(value: str) -> str:
    """The thumbprint of an ACME account's key: sha256 in base64url."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", value):
        raise Refused("must be the thumbprint of an account key")
    return value
