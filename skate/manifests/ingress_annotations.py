"""The annotations of an Ingress that mean something: those of ingress-nginx that skate does, and cert-manager's.

Every value is held to the narrowest form that does what people use it for, since it ends up in nginx's configuration.
https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
import warnings
from collections.abc import Callable, Mapping

from skate.manifests import formats, problems

NGINX = "nginx.ingress.kubernetes.io/"
CLASS = "kubernetes.io/ingress.class"
ISSUER = "cert-manager.io/cluster-issuer"
CLASSES = ("nginx", "skate")
"""The classes of Ingress that skate serves; those of any other wait for another controller, which there is not."""
MAX_SECONDS = 365 * 24 * 3600
MAX_PATTERN = 512
MAX_REPEAT = 1000

_PATTERN = re.compile(r"[\\^$*+?()\[\]{}|]")
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9._~!&()*+,=:@%/-]*")
_CLUSTER_NAME = re.compile(
    r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.svc)?\.cluster\.skate"
)


def _boolean(value: str) -> list[str]:
    return [] if value in ("true", "false") else ["must be 'true' or 'false'"]


def _size(value: str) -> list[str]:
    good = re.fullmatch(r"[0-9]{1,9}[kKmMgG]?", value)
    return [] if good else ["must be a size in nginx's form (e.g. '10m'; '0' is without limit)"]


def _seconds(value: str) -> list[str]:
    good = re.fullmatch(r"[0-9]{1,9}s?", value) and 1 <= int(value.rstrip("s")) <= MAX_SECONDS
    return [] if good else [f"must be a number of seconds between 1 and {MAX_SECONDS} (e.g. '60')"]


def _ranges(value: str) -> list[str]:
    wrong = []
    for text in value.split(","):
        try:
            ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            wrong.append(f"{problems.show(text.strip())} is no address and no range (e.g. '10.0.0.0/8,192.0.2.7')")
    return wrong


def _rewrite_target(value: str) -> list[str]:
    path, question, query = value.partition("?")
    plain = [re.sub(r"\$[1-9]", "", text) for text in (path, query)]
    if not value.startswith("/") or value.startswith("//") or len(value) > MAX_PATTERN:
        return ["must be an absolute path (e.g. '/' or '/$2')"]
    if not all(_URL_CHARACTERS.fullmatch(text) for text in plain) or (question and not query):
        return [
            "must be a path of letters, digits and -._~!&()*+,=:@%/, with '$1' to '$9' for what the path's groups caught"
        ]
    return []


def _auth_secret(value: str) -> list[str]:
    return [sentence for part in value.split("/", 1) for sentence in formats.dns_subdomain(part)]


def _realm(value: str) -> list[str]:
    if (
        value == "off"
        or len(value) > 256
        or not re.fullmatch(r"[^\"\\$;{}\x00-\x1f\x7f]+", value)
        or not value.isprintable()
    ):
        return [
            "must be text of at most 256 characters without quotes, backslashes, '$', ';', '{' and '}', and not 'off'"
        ]
    return []


def _one_of(*words: str) -> Callable[[str], list[str]]:
    def check(value: str) -> list[str]:
        return [] if value in words or value.upper() in words else [f"must be one of {', '.join(words)}"]

    return check


_NGINX: dict[str, Callable[[str], list[str]]] = {
    "allowlist-source-range": _ranges,
    "auth-realm": _realm,
    "auth-secret": _auth_secret,
    "auth-secret-type": _one_of("auth-file"),
    "auth-type": _one_of("basic"),
    "backend-protocol": _one_of("HTTP", "HTTPS", "GRPC", "GRPCS"),
    "denylist-source-range": _ranges,
    "enable-access-log": _boolean,
    "force-ssl-redirect": _boolean,
    "proxy-body-size": _size,
    "proxy-connect-timeout": _seconds,
    "proxy-read-timeout": _seconds,
    "proxy-send-timeout": _seconds,
    "rewrite-target": _rewrite_target,
    "ssl-redirect": _boolean,
    "use-regex": _boolean,
    "whitelist-source-range": _ranges,
}
DONE = frozenset(f"{NGINX}{name}" for name in _NGINX) | {CLASS, ISSUER}
_SNIPPETS = frozenset(
    {"auth-snippet", "configuration-snippet", "modsecurity-snippet", "server-snippet", "stream-snippet"}
)


def not_done(key: str) -> str:
    """Why skate does not take the annotation `key`; empty where it does, or where the annotation means nothing to it."""
    if key.startswith(NGINX) and key not in DONE:
        name = key.removeprefix(NGINX)
        if name in _SNIPPETS:
            return "skate does not do snippets: they would be pasted into nginx's configuration, which serves everybody"
        return "skate does not do this annotation"
    if key == "cert-manager.io/issuer":
        return f"skate does not do Issuers: name a ClusterIssuer by {ISSUER}"
    return ""


def check(annotations: Mapping[str, str], namespace: str) -> list[problems.Problem]:
    """What is wrong with the values, and with what they mean together. Paths are below the annotations."""
    wrong: list[problems.Problem] = []
    for key, value in annotations.items():
        wrong += [problems.invalid((key,), value, sentence) for sentence in _check_one(key, value)]
    secret, kind = annotations.get(f"{NGINX}auth-secret", ""), annotations.get(f"{NGINX}auth-type")
    if kind and not secret:
        wrong.append(problems.required((f"{NGINX}auth-secret",), "must be specified when auth-type is set"))
    if secret and not kind:
        wrong.append(problems.required((f"{NGINX}auth-type",), "must be specified when auth-secret is set"))
    owner, slash, _ = secret.partition("/")
    if slash and owner != namespace and not wrong:
        sentence = f"must be a Secret of the Ingress's own namespace, {namespace}"
        wrong.append(problems.invalid((f"{NGINX}auth-secret",), secret, sentence))
    return wrong


def _check_one(key: str, value: str) -> list[str]:
    if key.startswith(NGINX) and key in DONE:
        return _NGINX[key.removeprefix(NGINX)](value)
    if key == ISSUER:
        return formats.dns_subdomain(value)
    return class_problems(value) if key == CLASS else []


def class_problems(name: str) -> list[str]:
    """What is wrong with the class of an Ingress."""
    if not name or name in CLASSES:
        return []
    return formats.dns_subdomain(name) or [
        f"skate serves the classes {' and '.join(CLASSES)}, and there is no other controller"
    ]


def has_patterns(annotations: Mapping[str, str]) -> bool:
    """Whether paths may be regular expressions: asked for, or as rewrite-target implies."""
    return annotations.get(f"{NGINX}use-regex") == "true" or f"{NGINX}rewrite-target" in annotations


def is_pattern(path: str) -> bool:
    """Whether a path that may be a regular expression is one."""
    return bool(_PATTERN.search(path))


def path_problems(path: str, path_type: str, *, patterns: bool) -> list[str]:
    """What is wrong with a path of a rule, in Kubernetes' words where it has any. `patterns`: it may be a regular expression."""
    if not path and path_type == "ImplementationSpecific":
        return []
    if not path.startswith("/"):
        return ["must be an absolute path"]
    if path_type != "Exact" and patterns and is_pattern(path):
        return pattern_problems(path)
    wrong = [f"must not contain '{part}'" for part in ("//", "/./", "/../", "%2f", "%2F") if part in path]
    wrong += [f"cannot end with '{part}'" for part in ("/..", "/.") if path.endswith(part)]
    if len(path) > MAX_PATTERN:
        wrong.append(f"must be no more than {MAX_PATTERN} characters")
    if not re.fullmatch(r"[^\s\"\\{}?#;\x00-\x20\x7f]*", path) or not path.isprintable():
        wrong.append('must not contain blanks, control characters or any of " \\ { } ? # ;')
    elif not wrong and not _is_plain(path):
        wrong.append("must be percent-encoded UTF-8 without '//', '/./', '/../' and control characters in it")
    return wrong


def _is_plain(path: str) -> bool:
    try:
        plain = urllib.parse.unquote(path, errors="strict")
    except UnicodeDecodeError:
        return False
    return not re.search(r"//|/\.{1,2}(/|$)|[\x00-\x1f\x7f]", plain)


def pattern_problems(pattern: str) -> list[str]:
    """What is wrong with a path that is a regular expression."""
    if len(pattern) > MAX_PATTERN:
        return [f"must be no more than {MAX_PATTERN} characters"]
    if re.search(r"[\s\"';\x00-\x20\x7f]", pattern) or not pattern.isprintable():
        return ["must not contain blanks, control characters, quotes or ';'"]
    repeats = re.findall(r"\{([0-9]{1,4})(?:,([0-9]{1,4})?)?\}", pattern)
    without = re.sub(r"\{[0-9]{1,4}(?:,(?:[0-9]{1,4})?)?\}", "", pattern)
    if "{" in without or "}" in without:
        return ["must not contain '{' or '}' but in a repeat such as {2,3}"]
    total = 1
    for low, high in repeats:
        total *= max(1, int(low), int(high or 0))
    if total > MAX_REPEAT:
        return [f"must not repeat anything more than {MAX_REPEAT} times"]
    if re.search(r"\(\?(?!:|=|!)|\(\*", without):
        return ["must be a plain regular expression: of what begins with '(?' only '(?:', '(?=' and '(?!'"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return [f"must be a regular expression: {error}"]
    return []


def backend_name_problems(name: str) -> list[str]:
    """What is wrong with the name of a backend: a Service's, or the name that the pods of an app have in DNS."""
    if name.endswith(".cluster.skate"):
        good = _CLUSTER_NAME.fullmatch(name)
        return [] if good else ["must be the name of a Service, or APP.NAMESPACE.cluster.skate"]
    return formats.dns_1035_label(name)
