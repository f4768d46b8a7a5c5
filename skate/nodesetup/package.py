"""The packages of a node, skatelet and its CoreDNS: which ones go onto a host, and putting them there; and nginx.

The two are built together and lie beside each other. Where skatelet's is looked for when `--deb` does not say: `packages/` beside
the installed skate, then `build/` of a source checkout (where `make deb` puts them). Two packages are the same when version and
inputs digest are: builds are reproducible.

apt does the installing, because it brings podman and the rest. It is asked offline first: a host that has all dependencies
needs no network, and package lists are only refreshed when it takes that.
"""

from __future__ import annotations

import asyncio
import io
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import skate
from skate.errors import ConfigError, NodeError
from skate.nodesetup import hosts

NAME = "skatelet"
COREDNS = "skatelet-coredns"
NGINX_UNIT = "nginx.service"
UPLOADS = "/var/cache/skate-setup"
"""On the host, root's own: what an interrupted run leaves here the next one takes away."""
HALFWAY = ("half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending")
"""dpkg's states of a package that something stopped in the middle of."""
_ROOT = Path(skate.__file__).resolve().parent
_LOCK_TIMEOUT = 120
_APT = (
    *("env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "apt-get", "-y", "-q"),
    *("-o", f"DPkg::Lock::Timeout={_LOCK_TIMEOUT}", "-o", "Dpkg::Use-Pty=0", "-o", "APT::Sandbox::User=root"),
    *("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"),
)
_APT_TIMEOUT = 1200.0


@dataclass(frozen=True, kw_only=True)
class Package:
    """A .deb of ours on this machine."""

    path: Path
    name: str = NAME
    version: str
    architecture: str
    inputs: str = ""
    """The digest of what it was built from."""
    explicit: bool = False
    """The user named it: it is installed even where a newer one is."""


def places() -> tuple[Path, ...]:
    """The directories that are searched, in order."""
    return (_ROOT / "packages", _ROOT.parent / "build")


def find(architecture: str) -> Package:
    """The package for `architecture`. Raises ConfigError when there is none."""
    for place in places():
        found = sorted(place.glob(f"{NAME}_*_{architecture}.deb"), key=lambda path: path.stat().st_mtime)
        if found:
            return read(found[-1])
    raise ConfigError(
        f"there is no package of skatelet for {architecture}",
        details=[f"searched: {', '.join(map(str, places()))}"],
        hint="build it with `make deb` in a source checkout, or name one with --deb",
    )


def companion(package: Package) -> Package:
    """The package of CoreDNS that lies beside `package`, skatelet's. Raises ConfigError when there is none."""
    path = package.path.with_name(f"{COREDNS}_{package.version}_{package.architecture}.deb")
    if not path.exists():
        raise ConfigError(
            f"beside {package.path} there is no {path.name}",
            hint="build both with `make deb`, and keep them in one directory",
        )
    return read(path, name=COREDNS, explicit=package.explicit)


def read(path: Path, *, name: str = NAME, explicit: bool = False) -> Package:
    """What a .deb says of itself. Raises ConfigError when it is not the package `name`."""
    try:
        fields = _control(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="build one with `make deb`") from error
    except (ValueError, KeyError, tarfile.TarError, EOFError) as error:
        raise ConfigError(f"{path} is no Debian package that can be read: {error}") from error
    if fields.get("Package") != name:
        raise ConfigError(f"{path} is the package {fields.get('Package')}, not {name}")
    return Package(
        path=path,
        name=name,
        version=fields.get("Version", ""),
        architecture=fields.get("Architecture", ""),
        inputs=fields.get("Skatelet-Inputs", ""),
        explicit=explicit,
    )


async def install(host: hosts.Host, packages: Sequence[Package]) -> None:
    """Put `packages` on `host`, with what they depend on. Raises NodeError with apt's last words."""
    await host.run(["rm", "-rf", UPLOADS], root=True)
    await host.run(["install", "-d", "-m", "0755", UPLOADS], root=True)
    for package in packages:
        await hosts.put(host, package.path.read_bytes(), _target(package))
    try:
        await _apt_install(host, await _way_in(host, packages), " and ".join(package.name for package in packages))
    finally:
        await host.run(["rm", "-rf", UPLOADS], root=True, check=False)


async def install_nginx(host: hosts.Host) -> None:
    """Put the distribution's nginx on a host that has none, without the server that its package starts on port 80.

    The mask goes with the next boot, and before that at the end of this; whoever is stopped in between finds it there, and does
    this again. Raises NodeError with apt's last words.
    """
    await host.run(["systemctl", "mask", "--runtime", NGINX_UNIT], root=True)
    await _apt_install(host, ["nginx"], "nginx")
    await host.run(["systemctl", "disable", "--quiet", NGINX_UNIT], root=True)
    await host.run(["systemctl", "unmask", "--runtime", NGINX_UNIT], root=True)


def _target(package: Package) -> str:
    return f"{UPLOADS}/{package.path.name}"


async def mend(host: hosts.Host) -> None:
    """Finish what an interrupted dpkg left half done; without this apt refuses to do anything."""
    await _dpkg(host, "--configure", "--pending")


async def _dpkg(host: hosts.Host, *arguments: str) -> None:
    """Run dpkg, but not beside another: an interrupted one does not end with its connection. What it fails at is left to apt,
    which says why.
    """
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--force-confold", *arguments]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LOCK_TIMEOUT
    while loop.time() < deadline:
        done = await host.run(command, root=True, check=False, timeout=_APT_TIMEOUT)
        if b"lock" not in done.stderr:
            return
        await asyncio.sleep(1)


async def is_newer(host: hosts.Host, installed: str, ours: str) -> bool:
    """Whether version `installed` comes after `ours`, as dpkg orders them."""
    result = await host.run(["dpkg", "--compare-versions", installed, "gt", ours], check=False)
    return result.code == 0


async def _apt_install(host: hosts.Host, arguments: Sequence[str], what: str) -> None:
    command = [*_APT, "install", "--no-install-recommends", "--allow-downgrades", *arguments]
    first = await host.run(command, root=True, check=False, timeout=_APT_TIMEOUT)
    if first.code == 0:
        return
    failed = first
    if b"dpkg returned an error code" not in first.stderr:
        refreshed = await host.run([*_APT, "update"], root=True, check=False, timeout=_APT_TIMEOUT)
        failed = await host.run(command, root=True, check=False, timeout=_APT_TIMEOUT)
        if failed.code == 0:
            return
        if refreshed.code != 0:
            failed = hosts.Result(code=failed.code, stderr=failed.stderr + b"\n" + refreshed.stderr)
    words = (failed.stdout + b"\n" + failed.stderr).decode(errors="replace").splitlines()
    raise NodeError(
        f"{host.name}: apt-get could not install {what} (exit code {failed.code})",
        details=[line for line in words if line.strip()][-12:],
        hint=_apt_hint("\n".join(words)),
    )


async def _way_in(host: hosts.Host, packages: Sequence[Package]) -> list[str]:
    """apt's arguments for `packages`, by what is there.

    apt has no answer to a package that stopped halfway: a reinstallation ends in `Internal Error, No file name`, a plain one in
    `needs to be reinstalled, but I can't find an archive for it`. There dpkg unpacks, and apt only brings what is missing.
    """
    targets = [_target(package) for package in packages]
    states = [await _state(host, package.name) for package in packages]
    if any(state in HALFWAY for state in states):
        await _dpkg(host, "--unpack", *targets)
        return ["--fix-broken"]
    return ["--reinstall", *targets] if "installed" in states else targets


async def _state(host: hosts.Host, name: str) -> str:
    """dpkg's word for a package; empty for one it does not know."""
    query = await host.run(["dpkg-query", "-W", "-f=${db:Status-Status}", name], check=False)
    return query.text if query.code == 0 else ""


def _apt_hint(words: str) -> str:
    if "No space left" in words or "enough free space" in words:
        return "the host's disk is full: make room under /var, and run the same command again"
    if "Could not get lock" in words:
        return "another apt is at work there: wait for it to end, and run the same command again"
    if "unmet dependencies" in words or "Unable to locate" in words or "Unable to fetch" in words:
        return "does the host reach its package mirror? try `apt-get update` there, and run the same command again"
    return "mend what apt says there, and run the same command again"


def _control(data: bytes) -> dict[str, str]:
    """The fields of a .deb's control file. https://manpages.debian.org/deb.5"""
    if not data.startswith(b"!<arch>\n"):
        raise ValueError("it does not begin as an ar archive")
    offset = 8
    while offset + 60 <= len(data):
        name = data[offset : offset + 16].decode("ascii", "replace").strip().rstrip("/")
        size = int(data[offset + 48 : offset + 58])
        body = data[offset + 60 : offset + 60 + size]
        if name.startswith("control.tar"):
            with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                member = archive.extractfile("./control")
                text = member.read().decode() if member else ""
            return {match[1]: match[2].strip() for match in re.finditer(r"^([A-Za-z-]+):(.*)$", text, re.MULTILINE)}
        offset += 60 + size + size % 2
    raise ValueError("it was cut short")
