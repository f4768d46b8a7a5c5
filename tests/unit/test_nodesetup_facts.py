"""Reading a host's answers, judging them, and saying what is missing; the answers are from real hosts."""

from __future__ import annotations

import dataclasses
import io
import ipaddress
import tarfile
from pathlib import Path

import pytest

from skate.errors import ConfigError
from skate.nodesetup import facts, package, plan
from skatelet.contract import bundle

IDENTITY = bundle.NodeIdentity(cluster="home", node="web", subnet="10.66.1.0/24", peer_host="192.0.2.7")
KEY = "restrict ssh-ed25519 AAAAC3Nz me@here"
DEB = package.Package(path=Path("x.deb"), version="0.1.0", architecture="amd64", inputs="abc")
COREDNS = package.Package(
    path=Path("y.deb"), name="skatelet-coredns", version="0.1.0", architecture="amd64", inputs="def"
)
DESIRED = plan.Desired(identity=IDENTITY, package=DEB, coredns=COREDNS, key_line=KEY)
FIT = facts.Facts(
    os_id="debian",
    os_version="12",
    os_name="Debian GNU/Linux 12 (bookworm)",
    architecture="amd64",
    init="systemd",
    root=True,
    free_bytes=10 << 30,
    networks=(),
)
COMPLETE = dataclasses.replace(
    FIT,
    package_state="installed",
    package_version="0.1.0",
    package_inputs="abc",
    coredns_state="installed",
    coredns_version="0.1.0",
    coredns_inputs="def",
    nginx=True,
    nginx_unit="disabled",
    identity=IDENTITY,
    authorized_keys=f"{KEY}\n".encode(),
    units_active=True,
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"os_version": "11", "os_name": "Debian 11"}, "its system is Debian 11; supported are"),
        ({"os_id": "ubuntu", "os_version": "22.04", "os_name": "Ubuntu 22.04.4 LTS"}, "Ubuntu 22.04.4 LTS"),
        ({"os_id": "", "os_name": ""}, "its system is unknown"),
        ({"architecture": "riscv64"}, "its architecture is riscv64"),
        ({"init": "runit"}, "its process 1 is runit"),
        ({"root": False, "root_refusal": "sudo: a password is required"}, "(sudo: a password is required)"),
        ({"podman": "3.4.4"}, "its podman is 3.4.4"),
        ({"python": "3.10.12"}, "python3 is 3.10.12"),
        ({"free_bytes": 100 << 20}, "/var has 100 MB free"),
        ({"networks": None}, "install iproute2"),
        ({"identity_unreadable": True}, "/etc/skate/node.yaml cannot be read"),
    ],
)
def test_an_unfit_host_is_named_with_the_reason(changes: dict[str, object], words: str) -> None:
    found = facts.problems(dataclasses.replace(FIT, **changes))  # type: ignore[arg-type]
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(("os_id", "version"), [("debian", "12"), ("debian", "13"), ("ubuntu", "24.04")])
@pytest.mark.parametrize("podman", ["", "4.3.1", "4.9.3", "5.4.2", "10.0.0-dev"])
def test_a_fit_host_has_no_problems(os_id: str, version: str, podman: str) -> None:
    assert facts.problems(dataclasses.replace(FIT, os_id=os_id, os_version=version, podman=podman)) == []


def test_everything_wrong_is_told_at_once() -> None:
    assert len(facts.problems(facts.Facts(architecture="x", podman="1.0"))) == 5


def test_a_full_disk_does_not_matter_where_skatelet_is_installed() -> None:
    assert facts.problems(dataclasses.replace(COMPLETE, free_bytes=0)) == []


def test_ports_that_will_be_needed_are_warned_of() -> None:
    text = """\
udp   UNCONN 0      0      127.0.0.53%lo:53        0.0.0.0:*    users:(("systemd-resolve",pid=5,fd=13))
tcp   LISTEN 0      511          0.0.0.0:80        0.0.0.0:*    users:(("apache2",pid=9,fd=4),("apache2",pid=8,fd=4))
tcp   LISTEN 0      511             [::]:80           [::]:*    users:(("apache2",pid=9,fd=5))
tcp   LISTEN 0      128             [::1]:443         [::]:*
tcp   LISTEN 0      128                *:22              *:*
"""
    listeners = facts.parse_listeners(text)
    assert listeners == ((22, ""), (80, "apache2"))
    said = facts.warnings(dataclasses.replace(FIT, listeners=listeners))
    assert said == ["port 80 is in use by apache2; ingress will need it"]


def test_networks_are_those_of_addresses_and_routes_but_not_the_default_route() -> None:
    addresses = """[{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]},
      {"ifname":"eth0","addr_info":[{"family":"inet","local":"192.0.2.7","prefixlen":24}]},{"ifname":"down"},{}]"""
    routes = """[{"dst":"default","gateway":"192.0.2.1","dev":"eth0"},{"dst":"192.0.2.0/24","dev":"eth0"},
      {"dst":"10.66.2.0/24","gateway":"192.0.2.8","dev":"eth0"},{"type":"blackhole","dst":"10.9.9.9"}]"""
    found = facts.parse_networks(addresses, routes)
    assert found is not None
    assert {(str(network), interface) for network, interface in found} == {
        ("127.0.0.0/8", "lo"),
        ("192.0.2.0/24", "eth0"),
        ("10.66.2.0/24", "eth0"),
        ("10.9.9.9/32", "blackhole"),
    }
    assert all(isinstance(network, ipaddress.IPv4Network) for network, _ in found)


@pytest.mark.parametrize("text", ["", "ip: command not found", "{}", '[{"addr_info":[{"local":1}]}]', "[1]"])
def test_networks_that_cannot_be_read_are_unknown_and_not_none(text: str) -> None:
    assert facts.parse_networks(text, "[]") in (None, ())
    assert text == "{}" or facts.parse_networks(text, "[]") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("", "", "")),
        ("not-installed\t\t\n", ("", "", "")),
        ("installed\t0.1.0\tabc\n", ("installed", "0.1.0", "abc")),
        ("half-configured\t0.1.0\t\n", ("half-configured", "0.1.0", "")),
        ("config-files\t0.1.0\tabc\n", ("config-files", "0.1.0", "abc")),
    ],
)
def test_the_package_state_is_dpkgs(text: str, expected: tuple[str, str, str]) -> None:
    assert facts.parse_package(text) == expected


def test_os_release_values_may_be_quoted() -> None:
    parsed = facts.parse_os_release("# x=y\nPRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nID=ubuntu\nVERSION_ID='24.04'\n")
    assert parsed == {"PRETTY_NAME": "Ubuntu 24.04.1 LTS", "ID": "ubuntu", "VERSION_ID": "24.04"}


def test_an_identity_that_cannot_be_read_is_no_identity() -> None:
    assert facts.parse_identity(b"") == (None, False)
    assert facts.parse_identity(b"cluster: home\nnode: web\nsubnet: 10.66.1.0/24\n")[0] == IDENTITY.model_copy(
        update={"peer_host": ""}
    )
    assert facts.parse_identity(b"cluster: [") == (None, True)
    assert facts.parse_identity(b"cluster: home\n") == (None, True)


def test_a_complete_node_needs_nothing() -> None:
    assert plan.plan(DESIRED, COMPLETE) == []


def test_a_fresh_host_needs_everything_in_order() -> None:
    step = plan.Step
    assert plan.plan(DESIRED, FIT) == [step.NGINX, step.PACKAGE, step.IDENTITY, step.KEY, step.UNITS]
    assert plan.missing(DESIRED, FIT) == [DEB, COREDNS]


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"package_inputs": "other"}, [plan.Step.PACKAGE, plan.Step.UNITS]),
        ({"package_version": "0.0.9"}, [plan.Step.PACKAGE, plan.Step.UNITS]),
        ({"package_state": "half-configured"}, [plan.Step.MEND, plan.Step.PACKAGE, plan.Step.UNITS]),
        ({"package_state": "config-files"}, [plan.Step.PACKAGE, plan.Step.UNITS]),
        ({"coredns_inputs": "other"}, [plan.Step.PACKAGE, plan.Step.UNITS]),
        ({"coredns_state": ""}, [plan.Step.PACKAGE, plan.Step.UNITS]),
        ({"coredns_state": "unpacked"}, [plan.Step.MEND, plan.Step.PACKAGE, plan.Step.UNITS]),
        ({"nginx": False, "nginx_unit": ""}, [plan.Step.NGINX]),
        ({"nginx_unit": "masked-runtime"}, [plan.Step.NGINX]),
        ({"nginx_unit": "enabled", "nginx_running": True}, []),
        ({"dpkg_broken": True}, [plan.Step.MEND]),
        ({"identity": None}, [plan.Step.IDENTITY]),
        ({"authorized_keys": b"restrict ssh-ed25519 OTHER x@y\n"}, [plan.Step.KEY]),
        ({"authorized_keys": f"#{KEY}\n".encode()}, [plan.Step.KEY]),
        ({"authorized_keys": b"ssh-ed25519 AAAAC3Nz me@here\n"}, [plan.Step.KEY]),
        ({"authorized_keys": "\n\xff\nrestrict ssh-ed25519 AAAAC3Nz other comment\n".encode("latin-1")}, []),
        ({"units_active": False}, [plan.Step.UNITS]),
    ],
)
def test_only_what_is_missing_is_done(changes: dict[str, object], steps: list[plan.Step]) -> None:
    observed = dataclasses.replace(COMPLETE, **changes)  # type: ignore[arg-type]
    assert plan.plan(DESIRED, observed) == steps


def test_a_newer_package_stays_and_a_local_node_gets_no_key() -> None:
    observed = dataclasses.replace(COMPLETE, package_version="9.0", authorized_keys=b"")
    desired = dataclasses.replace(DESIRED, keep_installed=True, key_line="")
    assert plan.plan(desired, observed) == []
    assert plan.missing(desired, dataclasses.replace(observed, coredns_state="")) == [COREDNS]


def test_only_the_package_that_differs_is_installed() -> None:
    assert plan.missing(DESIRED, dataclasses.replace(COMPLETE, coredns_inputs="other")) == [COREDNS]
    assert plan.missing(DESIRED, dataclasses.replace(COMPLETE, package_inputs="other")) == [DEB]


def test_a_host_with_an_nginx_of_its_own_is_warned_of() -> None:
    (words,) = facts.warnings(dataclasses.replace(COMPLETE, nginx_running=True, listeners=((80, "nginx"),)))
    assert "own nginx runs" in words
    assert "80 and 443" in words
    assert facts.warnings(dataclasses.replace(COMPLETE, listeners=((80, "nginx"), (53, "coredns")))) == []


def make_deb(path: Path, control: str, compression: str = "xz") -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo("./control")
        member.size = len(control)
        archive.addfile(member, io.BytesIO(control.encode()))
    suffix = f".{compression}" if compression else ""
    content = b"!<arch>\n"
    for name, body in (("debian-binary", b"2.0\n"), (f"control.tar{suffix}", buffer.getvalue()), ("data.tar.xz", b"x")):
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n"
        content += header.encode() + body + b"\n" * (len(body) % 2)
    path.write_bytes(content)
    return path


CONTROL = "Package: skatelet\nVersion: 1.2.3\nArchitecture: arm64\nSkatelet-Inputs: 77\nDescription: x\n Version: 9\n"


@pytest.mark.parametrize("compression", ["xz", "gz", ""])
def test_a_package_says_what_it_is(tmp_path: Path, compression: str) -> None:
    path = make_deb(tmp_path / "x.deb", CONTROL, compression)
    read = package.read(path, explicit=True)
    assert read == package.Package(path=path, version="1.2.3", architecture="arm64", inputs="77", explicit=True)


def test_what_is_no_package_of_skatelet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is the package hello"):
        package.read(make_deb(tmp_path / "x.deb", CONTROL.replace("skatelet\n", "hello\n")))
    good = (tmp_path / "x.deb").read_bytes()
    for content in (b"", b"PK", good[:100], good[:150], b"!<arch>\n" + b"x" * 200):
        (tmp_path / "bad.deb").write_bytes(content)
        with pytest.raises(ConfigError, match=r"bad\.deb is no Debian package"):
            package.read(tmp_path / "bad.deb")
    with pytest.raises(ConfigError, match="No such file"):
        package.read(tmp_path / "missing.deb")


def test_the_newest_package_of_the_first_place_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    first, second = tmp_path / "packages", tmp_path / "build"
    monkeypatch.setattr(package, "places", lambda: (first, second))
    with pytest.raises(ConfigError, match="no package of skatelet for arm64") as caught:
        package.find("arm64")
    assert "make deb" in caught.value.hint
    second.mkdir()
    for index, name in enumerate(("skatelet_1_arm64.deb", "skatelet_0_arm64.deb", "skatelet_2_amd64.deb")):
        os.utime(make_deb(second / name, CONTROL), (index, index))
    assert package.find("arm64").path == second / "skatelet_0_arm64.deb"
    first.mkdir()
    make_deb(first / "skatelet_1_arm64.deb", CONTROL)
    assert package.find("arm64").path == first / "skatelet_1_arm64.deb"


def test_the_package_of_coredns_lies_beside_that_of_skatelet(tmp_path: Path) -> None:
    skatelet = package.read(make_deb(tmp_path / "any.deb", CONTROL), explicit=True)
    with pytest.raises(ConfigError, match=r"there is no skatelet-coredns_1\.2\.3_arm64\.deb") as caught:
        package.companion(skatelet)
    assert "make deb" in caught.value.hint
    path = make_deb(tmp_path / "skatelet-coredns_1.2.3_arm64.deb", CONTROL.replace("skatelet\n", "skatelet-coredns\n"))
    assert package.companion(skatelet) == package.Package(
        path=path, name="skatelet-coredns", version="1.2.3", architecture="arm64", inputs="77", explicit=True
    )
    make_deb(path, CONTROL)
    with pytest.raises(ConfigError, match="is the package skatelet, not skatelet-coredns"):
        package.companion(skatelet)
