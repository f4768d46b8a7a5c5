"""The forms that Kubernetes asks of names, labels, ports and the like, in the words of its API server.

Every function here takes a value and returns what is wrong with it, one sentence a mistake, or nothing. The rules and the
sentences are those of k8s.io/apimachinery/pkg/util/validation
(https://kubernetes.io/docs/concepts/overview/working-with-objects/names/). All matching is by fullmatch: `$` would let a
trailing newline through.
"""

from __future__ import annotations

import ipaddress
import re

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_NAME_PART = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = rf"({_NAME_PART})?"
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
    r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?"
)
MAX_IMAGE = 512
RESERVED_PREFIX = "cluster.skate/"
"""What skate itself labels pods with; users may not."""


def dns_label(value: str) -> list[str]:
    """RFC 1123 label: namespaces, containers, volumes."""
    wrong = _too_long(value, 63)
    if not re.fullmatch(_LABEL, value):
        wrong.append(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end"
            f" with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
        )
    return wrong


def dns_subdomain(value: str) -> list[str]:
    """RFC 1123 subdomain: pods, deployments, nodes."""
    wrong = _too_long(value, 253)
    if not re.fullmatch(_SUBDOMAIN, value):
        wrong.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start"
            " and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
            f" '{_SUBDOMAIN}')"
        )
    return wrong


def dns_1035_label(value: str) -> list[str]:
    """RFC 1035 label: Services, which must not begin with a digit."""
    wrong = _too_long(value, 63)
    if not re.fullmatch(_LABEL_1035, value):
        wrong.append(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
            " and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is"
            f" '{_LABEL_1035}')"
        )
    return wrong


def host_name(value: str) -> list[str]:
    """What an Ingress may answer for: a DNS name, with `*` for its first label if need be, and no address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        pass
    else:
        return ["must be a DNS name, not an IP address"]
    if any(len(label) > 63 for label in value.split(".")):
        return ["must be no more than 63 characters between two dots"]
    if "*" not in value:
        return dns_subdomain(value)
    wrong = _too_long(value, 253)
    if not re.fullmatch(_WILDCARD, value):
        wrong.append(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of"
            " lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com',"
            f" regex used for validation is '{_WILDCARD}')"
        )
    return wrong


def config_key(value: str) -> list[str]:
    """The key of a Secret's data."""
    wrong = _too_long(value, 253)
    if not re.fullmatch(r"[-._a-zA-Z0-9]+", value):
        wrong.append(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',"
            "  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        )
    if value == ".":
        wrong.append("must not be '.'")
    elif value == "..":
        wrong.append("must not be '..'")
    elif value.startswith(".."):
        wrong.append("must not start with '..'")
    return wrong


def qualified_name(value: str) -> list[str]:
    """The key of a label or an annotation: a name of up to 63 characters, with an optional DNS prefix and a slash."""
    prefix, slash, name = value.rpartition("/")
    wrong: list[str] = []
    if "/" in prefix:
        return [
            "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
            " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
            f" '{_NAME_PART}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    if slash and not prefix:
        wrong.append("prefix part must be non-empty")
    elif slash:
        wrong += [f"prefix part {sentence}" for sentence in dns_subdomain(prefix)]
    if not name:
        wrong.append("name part must be non-empty")
        return wrong
    wrong += [f"name part {sentence}" for sentence in _too_long(name, 63)]
    if not re.fullmatch(_NAME_PART, name):
        wrong.append(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
            " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
            f" '{_NAME_PART}')"
        )
    return wrong


def own_key(value: str) -> list[str]:
    """The key of a label or an annotation that a user sets: a qualified name outside of skate's own prefix."""
    if value.startswith(RESERVED_PREFIX):
        return [f"the prefix {RESERVED_PREFIX} is reserved for skate"]
    return qualified_name(value)


def label_value(value: str) -> list[str]:
    """The value of a label."""
    wrong = _too_long(value, 63)
    if not re.fullmatch(_LABEL_VALUE, value):
        wrong.append(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start"
            " and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for"
            f" validation is '{_LABEL_VALUE}')"
        )
    return wrong


def port_name(value: str) -> list[str]:
    """IANA service name: the name of a port."""
    wrong = _too_long(value, 15)
    if not re.fullmatch(r"[-a-z0-9]+", value):
        wrong.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", value):
        wrong.append("must contain at least one letter (a-z)")
    if "--" in value:
        wrong.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        wrong.append("must not begin or end with a hyphen")
    return wrong


def env_name(value: str) -> list[str]:
    """The name of an environment variable, as Kubernetes 1.32 has it."""
    if re.fullmatch(r"[ -<>-~]+", value):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def ip_address(value: str) -> list[str]:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return [] if "%" not in value else ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]


def absolute_path(value: str) -> list[str]:
    """A path from the root, with nothing in it that means something else to podman."""
    wrong = [] if value.startswith("/") else ["must be an absolute path"]
    if ".." in value.split("/"):
        wrong.append("must not contain '..'")
    if ":" in value:
        wrong.append("must not contain ':'")
    if not value.isprintable():
        wrong.append("must not contain control characters")
    return wrong


def image(value: str) -> list[str]:
    """The name of an image, with the registry, tag and digest as it may have them."""
    if value != value.strip():
        return ["must not have leading or trailing whitespace"]
    if len(value) > MAX_IMAGE or not _IMAGE.fullmatch(value):
        return ["must be the name of an image (e.g. 'docker.io/library/nginx:1.27')"]
    return []


def _too_long(value: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} characters"] if len(value) > limit else []
