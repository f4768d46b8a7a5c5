"""Where the packages of a node come from: the machine's own apt sources, so that a local mirror or a proxy is used as it is.

A mirror carries every release of its distribution, so a Debian 12 machine's mirror makes Debian 13 nodes too. A machine of the
other distribution, or one with no usable source, gets the official archive. Both formats of sources.list(5) are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from skate.errors import SkateError
from skate.sandbox import host

RELEASES = {"bookworm": "debian", "trixie": "debian", "noble": "ubuntu"}
"""The releases a node can have, and the distribution each belongs to."""

COMPONENTS = {"debian": "main", "ubuntu": "main universe"}
OFFICIAL = {"debian": "http://deb.debian.org/debian", "ubuntu": "http://archive.ubuntu.com/ubuntu"}
OFFICIAL_SECURITY = {
    "debian": "http://deb.debian.org/debian-security",
    "ubuntu": "http://security.ubuntu.com/ubuntu",
}
KEYRINGS = {
    "debian": ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
    "ubuntu": ("/usr/share/keyrings/ubuntu-archive-keyring.gpg", "ubuntu-keyring"),
}
_USABLE = ("http://", "https://", "file:")
_ONE_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One place that apt takes packages from."""

    uri: str
    suite: str
    components: tuple[str, ...]


def parse_one_line(text: str) -> list[Source]:
    """The `deb` entries of a sources.list file."""
    found: list[Source] = []
    for line in text.splitlines():
        match = _ONE_LINE.match(line.partition("#")[0].strip())
        if match:
            found.append(Source(uri=match["uri"], suite=match["suite"], components=tuple(match["components"].split())))
    return found


def parse_deb822(text: str) -> list[Source]:
    """The `deb` entries of a .sources file (deb822), one for each URI and suite; disabled stanzas are left out."""
    found: list[Source] = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        components = tuple(fields.get("components", "").split())
        for uri in fields.get("uris", "").split():
            found.extend(Source(uri=uri, suite=suite, components=components) for suite in fields["suites"].split())
    return found


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace():
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
            continue
        name, _, value = line.partition(":")
        name = name.strip().lower()
        fields[name] = value.strip()
    return {"suites": "", **fields}


def machine_sources(etc_apt: Path = Path("/etc/apt")) -> list[Source]:
    """Every `deb` source of this machine, in apt's order."""
    found: list[Source] = []
    for path in [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".list":
            found.extend(parse_one_line(text))
        elif path.suffix == ".sources":
            found.extend(parse_deb822(text))
    return found


def apt_lines(release: str, *, sources: Iterable[Source], codename: str) -> list[str]:
    """The sources.list lines to build `release` from, on a machine of release `codename` that has `sources`.

    The release itself, its updates and its security updates. Raises SkateError for an unknown release.
    """
    if release not in RELEASES:
        raise SkateError(f"there is no release {release!r} for nodes", hint=f"choose of {', '.join(sorted(RELEASES))}")
    distribution = RELEASES[release]
    own = {codename, "stable", "oldstable", "testing"} if RELEASES.get(codename) == distribution else {codename}
    main, security = OFFICIAL[distribution], OFFICIAL_SECURITY[distribution]
    if RELEASES.get(codename) == distribution:
        usable = [item for item in sources if item.uri.startswith(_USABLE) and "main" in item.components]
        main = next((item.uri for item in usable if item.suite in own), main)
        security = next((item.uri for item in usable if item.suite in {f"{name}-security" for name in own}), security)
    option = f"[signed-by={KEYRINGS[distribution][0]}]"
    components = COMPONENTS[distribution]
    return [
        f"deb {option} {main} {release} {components}",
        f"deb {option} {main} {release}-updates {components}",
        f"deb {option} {security} {release}-security {components}",
    ]


def require_keyring(release: str) -> None:
    """Raises SkateError when this machine has not the keys that `release`'s archive is signed with."""
    distribution = RELEASES[release]
    path, package = KEYRINGS[distribution]
    if not Path(path).is_file():
        # Ubuntu has Debian's keys as a package; Debian 12 has not Ubuntu's.
        raise SkateError(
            f"this machine has not the keys of {distribution}'s archive ({path}), which {release} nodes need",
            hint=f"apt-get install {package} where there is such a package, else copy the file from a machine of "
            f"{distribution}; or choose another --release",
        )


def default_release() -> str:
    """The machine's own release when nodes can have it, else trixie."""
    own = host.os_release().get("VERSION_CODENAME", "")
    return own if own in RELEASES else "trixie"
