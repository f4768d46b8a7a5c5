"""What may be asked for, and how the registry and the host's own word decide which subnet a node gets."""

from __future__ import annotations

import ipaddress
import threading
from pathlib import Path

import pytest

from skate import registry
from skate.errors import ConfigError, NodeError
from skate.nodesetup import arguments, cluster, facts, membership
from skate.nodesetup.request import NodeRequest
from skatelet.contract import bundle


def quiet(_: str) -> None:
    pass


def entry(name: str, subnet: str, **changes: object) -> registry.NodeEntry:
    return registry.NodeEntry.model_validate({"name": name, "host": f"{name}.example", "subnet": subnet} | changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    where = tmp_path / "skate" / "config.yaml"
    cluster.create_cluster(registry_path=where, name="home", cidr="10.80.0.0/16", progress=quiet)
    with registry.edit(where) as content:
        content.require("home").put_node(entry("web", "10.80.1.0/24"))
    return where


@pytest.mark.parametrize("name", ["a", "web-1", "9", "a" * 63])
def test_names_are_rfc_1123_labels(name: str) -> None:
    assert arguments.name_problems("node", name) == []


@pytest.mark.parametrize("name", ["", "Web", "web.1", "-web", "web-", "a" * 64, "web_1", "web\n", "wéb"])
def test_other_names_are_refused(name: str) -> None:
    assert len(arguments.name_problems("node", name)) == 1


@pytest.mark.parametrize("cidr", ["10.66.0.0/16", "172.16.0.0/12", "192.168.4.0/22", "100.64.0.0/10", "10.0.0.0/23"])
def test_private_ranges_are_taken(cidr: str) -> None:
    assert arguments.cidr_problems(cidr) == []


@pytest.mark.parametrize(
    ("cidr", "word"),
    [
        ("8.8.8.0/23", "not private"),
        ("10.66.0.0/24", "too small"),
        ("10.66.0.1/16", "did you mean 10.66.0.0/16"),
        ("fd00::/64", "IPv6"),
        ("ten", "no IPv4 network"),
        ("10.66.0.0/33", "no IPv4 network"),
        ("0.0.0.0/0", "not private"),
    ],
)
def test_other_ranges_are_refused_with_the_reason(cidr: str, word: str) -> None:
    problems = arguments.cidr_problems(cidr)
    assert any(word in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("labels", "count"),
    [
        ({"disk": "ssd", "example.com/zone": "a", "empty": ""}, 0),
        ({"-x": "a"}, 1),
        ({"x": "a b"}, 1),
        ({"/x": "a"}, 1),
        ({"UPPER/x": "a"}, 1),
        ({"x" * 64: "y" * 64}, 2),
    ],
)
def test_labels_follow_kubernetes(labels: dict[str, str], count: int) -> None:
    assert len(arguments.label_problems(labels)) == count


def test_a_cluster_is_created_once(tmp_path: Path) -> None:
    where, said = tmp_path / "config.yaml", []
    assert cluster.create_cluster(registry_path=where, name="one", progress=said.append)
    assert registry.load(where).current_context == "one"
    before = where.stat()
    assert not cluster.create_cluster(registry_path=where, name="one", progress=said.append)
    assert where.stat() == before
    with pytest.raises(ConfigError, match=r"exists with the range 10\.66\.0\.0/16, not 10\.7\.0\.0/16"):
        cluster.create_cluster(registry_path=where, name="one", cidr="10.7.0.0/16", progress=said.append)
    assert cluster.create_cluster(registry_path=where, name="two", progress=said.append)
    assert registry.load(where).current_context == "one"
    assert "stays one" in said[-1]


def test_all_mistakes_are_told_at_once(path: Path) -> None:
    request = NodeRequest(
        cluster="home", name="X", host="a b", port=70000, user="a;b", subnet="10.80.1.128/25", labels={"-": "x"}
    )
    with pytest.raises(ConfigError) as caught:
        membership.resolve(request, registry.load(path).require("home"))
    words = "\n".join(caught.value.details)
    assert len(caught.value.details) == 6, words
    for word in ("'X'", "'a b'", "70000", "'a;b'", "overlaps 10.80.1.0/24 of node web", "'-'"):
        assert word in words


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "a\nb", "a;b", "$(x)", ""])
def test_a_host_that_is_none_is_refused(path: Path, host: str) -> None:
    with pytest.raises(ConfigError):
        membership.resolve(NodeRequest(cluster="home", name="new", host=host), registry.load(path).require("home"))


def test_what_is_left_out_is_taken_from_the_registry(path: Path) -> None:
    member = entry("db", "10.80.2.0/24", port=2222, user="ops", hostKey="ssh-ed25519 AAAA", labels={"disk": "ssd"})
    with registry.edit(path) as content:
        content.require("home").put_node(member)
    resolved = membership.resolve(NodeRequest(cluster="home", name="db"), registry.load(path).require("home"))
    assert resolved == member


def test_a_slip_in_the_host_of_a_pending_node_can_be_mended(path: Path) -> None:
    with registry.edit(path) as content:
        content.require("home").put_pending(
            entry("db", "10.80.2.0/24", host="wrong.example", hostKey="ssh-ed25519 AAAA")
        )
    request = NodeRequest(cluster="home", name="db", host="right.example")
    resolved = membership.resolve(request, registry.load(path).require("home"))
    assert (resolved.host, resolved.host_key, resolved.subnet) == ("right.example", "", "")


def resolve_and_reserve(path: Path, request: NodeRequest, observed: facts.Facts) -> registry.NodeEntry:
    resolved = membership.resolve(request, registry.load(path).require("home"))
    return membership.reserve(resolved, cluster="home", registry_path=path, observed=observed)[0]


def seen(**changes: object) -> facts.Facts:
    return facts.Facts(**({"networks": ()} | changes))  # type: ignore[arg-type]


def network(text: str, interface: str = "eth0") -> tuple[ipaddress.IPv4Network, str]:
    return ipaddress.IPv4Network(text), interface


def test_the_first_subnet_that_nobody_has_is_given(path: Path) -> None:
    """Not the registry's nodes, not those that are being created, not the host's own networks; skate's routes do not count."""
    with registry.edit(path) as content:
        content.require("home").put_pending(entry("db", "10.80.2.0/24"))
    networks = (network("10.80.3.128/25"), network("10.80.1.0/24", "skate"), network("192.168.1.0/24"))
    chosen = resolve_and_reserve(path, NodeRequest(cluster="home", name="new", host="n"), seen(networks=networks))
    assert chosen.subnet == "10.80.4.0/24"
    assert registry.load(path).require("home").pending_node("new") == chosen


def test_a_subnet_stays_the_same_over_interruptions(path: Path) -> None:
    request = NodeRequest(cluster="home", name="new", host="n")
    first = resolve_and_reserve(path, request, seen())
    own = bundle.NodeIdentity(cluster="home", node="new", subnet=first.subnet, peer_host="n")
    routed = (network(first.subnet, "podman1"),)
    assert resolve_and_reserve(path, request, seen(identity=own, networks=routed)) == first


def test_what_the_host_says_it_is_goes_before_an_allocation(path: Path) -> None:
    """A second developer's registry is empty: subnet and peer host are those that the first one chose."""
    own = bundle.NodeIdentity(cluster="home", node="new", subnet="10.80.77.0/24", peer_host="10.0.0.7")
    networks = (network("10.80.77.0/24", "podman1"),)
    request = NodeRequest(cluster="home", name="new", host="vpn.example")
    chosen = resolve_and_reserve(path, request, seen(identity=own, networks=networks))
    assert (chosen.subnet, chosen.peer_host, chosen.host) == ("10.80.77.0/24", "10.0.0.7", "vpn.example")


def test_a_subnet_in_use_on_the_node_is_not_changed(path: Path) -> None:
    own = bundle.NodeIdentity(cluster="home", node="new", subnet="10.80.77.0/24")
    request = NodeRequest(cluster="home", name="new", host="n", subnet="10.80.5.0/24")
    with pytest.raises(NodeError, match=r"has the subnet 10\.80\.77\.0/24, not 10\.80\.5\.0/24"):
        resolve_and_reserve(path, request, seen(identity=own))


def test_another_nodes_host_is_refused_and_nothing_is_reserved(path: Path) -> None:
    own = bundle.NodeIdentity(cluster="other", node="new", subnet="10.80.77.0/24")
    before = path.read_bytes()
    with pytest.raises(NodeError, match="is node new of cluster other already"):
        resolve_and_reserve(path, NodeRequest(cluster="home", name="new", host="n"), seen(identity=own))
    assert path.read_bytes() == before


def test_the_drop_key_is_made_once_and_readable_by_its_owner_only(path: Path) -> None:
    resolve_and_reserve(path, NodeRequest(cluster="home", name="a", host="a"), seen())
    key = Path(registry.load(path).require("home").drop_key)
    content = key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    assert key == path.parent / "keys" / "home"
    resolve_and_reserve(path, NodeRequest(cluster="home", name="b", host="b"), seen())
    assert key.read_bytes() == content


def test_a_local_node_needs_no_key(path: Path) -> None:
    chosen = resolve_and_reserve(path, NodeRequest(cluster="home", name="here", local=True), seen())
    assert (chosen.local, chosen.host) == (True, "")
    assert registry.load(path).require("home").drop_key == ""


def test_nodes_created_side_by_side_get_different_subnets(path: Path) -> None:
    chosen: list[str] = []

    def create(index: int) -> None:
        request = NodeRequest(cluster="home", name=f"node-{index}", host=f"host-{index}")
        chosen.append(resolve_and_reserve(path, request, seen()).subnet)

    threads = [threading.Thread(target=create, args=(index,)) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(chosen)) == 12
    assert len(registry.load(path).require("home").pending) == 12


def test_a_full_range_says_so(tmp_path: Path) -> None:
    where = tmp_path / "config.yaml"
    cluster.create_cluster(registry_path=where, name="home", cidr="10.80.0.0/23", progress=quiet)
    resolve_and_reserve(where, NodeRequest(cluster="home", name="a", host="a"), seen())
    with pytest.raises(ConfigError, match=r"every /24 of 10\.80\.0\.0/23 is taken"):
        resolve_and_reserve(where, NodeRequest(cluster="home", name="b", host="b"), seen())


def test_an_edit_that_fails_changes_nothing(path: Path) -> None:
    before = path.read_bytes()

    def fail() -> None:
        with registry.edit(path) as content:
            content.current_context = "gone"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == before
    with registry.edit(path) as content:
        content.current_context = ""
    assert registry.load(path).current_context == ""
