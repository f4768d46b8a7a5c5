"""`skate create node` on real hosts: complete from anywhere, unchanged when complete, refused with words when it cannot be."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skate import registry, sandbox
from skate.errors import SkateError
from skate.nodesetup import cluster, hostkey, node, package
from skate.sandbox import busybox, images
from skate.sandbox import fleet as fleets
from skate.sandbox.node import Node

pytestmark = pytest.mark.fleet

ROOT = Path(sandbox.__file__).resolve().parent.parent.parent
CLUSTER = "setup"
INSIDE = "10.66.200.0/24"


@pytest.fixture(scope="module")
def deb() -> Path:
    done = subprocess.run(
        [sys.executable, ROOT / "packaging" / "build-deb"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def machines() -> Iterator[fleets.Fleet]:
    name = f"setup-{os.getpid()}"
    made = fleets.create(name, nodes=2, releases=["bookworm", "trixie"], bare=True)
    try:
        yield made
    finally:
        fleets.delete(name)


@pytest.fixture(scope="module")
def old(machines: fleets.Fleet) -> Node:
    """Debian 12; the tests from the second on expect it to be a complete node of the registry `home`."""
    return machines.nodes[0]


@pytest.fixture(scope="module")
def new(machines: fleets.Fleet) -> Node:
    """Debian 13."""
    return machines.nodes[1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_registry(tmp_path_factory.mktemp("home"))


def make_registry(directory: Path) -> Path:
    path = directory / "config.yaml"
    cluster.create_cluster(registry_path=path, name=CLUSTER, progress=quiet)
    return path


def quiet(_: str) -> None:
    pass


def request(machine: Node, deb: Path, **changes: object) -> node.NodeRequest:
    values: dict[str, object] = {
        "cluster": CLUSTER,
        "name": machine.name,
        "host": machine.address,
        "user": "root",
        "key": str(machine.key),
        "deb": deb,
        "accept_host_key": machine.host_key,
    }
    return node.NodeRequest(**(values | changes))  # type: ignore[arg-type]


def refusal(machine: Node, deb: Path, path: Path, **changes: object) -> str:
    """Everything a refused `create node` says. The registry must be as before."""
    before = path.read_bytes()
    with pytest.raises(SkateError) as caught:
        node.create_node(request(machine, deb, **changes), registry_path=path, progress=quiet)
    assert path.read_bytes() == before
    return "\n".join([caught.value.message, *caught.value.details, caught.value.hint])


def wait_until(condition: Callable[[], bool], what: Callable[[], str], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s; seen: {what()}"
        time.sleep(0.02)


def snapshot(machine: Node) -> str:
    """Every file that setting up could touch, with size and time of change; what skatelet itself rewrites is left out."""
    rewritten = (
        "/etc/.pwd.lock",
        "/var/lib/skate/drop/status",
        "/var/lib/skatelet",
        "/var/lib/containers",
        "/var/lib/systemd",
    )
    pruned = [part for path in rewritten for part in ("-path", path, "-prune", "-o")]
    return machine.run(
        ["find", "/etc", "/usr", "/var/lib", "/var/cache", *pruned, "-printf", "%p %s %C@ %m %u\n"]
    ).stdout


def test_what_cannot_be_a_node_is_refused_and_nothing_is_changed(new: Node, deb: Path, home: Path) -> None:
    """All that is wrong at once: an account without sudo, an unsupported system."""
    new.run(["useradd", "-m", "-s", "/bin/bash", "plain"])
    new.run(
        ["install", "-D", "-o", "plain", "-m", "0600", "/root/.ssh/authorized_keys", "/home/plain/.ssh/authorized_keys"]
    )
    new.run(["chown", "plain", "/home/plain/.ssh"])
    new.run(["mv", "/etc/os-release", "/etc/os-release.real"])
    new.run(["tee", "/etc/os-release"], input='ID=fedora\nVERSION_ID=41\nPRETTY_NAME="Fedora Linux 41"\n')
    try:
        before = snapshot(new)
        words = refusal(new, deb, home, user="plain")
        assert snapshot(new) == before
    finally:
        new.run(["mv", "/etc/os-release.real", "/etc/os-release"])
    assert "its system is Fedora Linux 41; supported are Ubuntu 24.04, Debian 12 and Debian 13" in words
    assert "commands cannot be run as root" in words
    assert "sudo that asks for no password" in words


def test_a_network_of_the_host_is_no_subnet(new: Node, deb: Path, home: Path) -> None:
    new.run(["ip", "addr", "add", "10.66.200.9/20", "dev", "host0"])
    try:
        words = refusal(new, deb, home, subnet=INSIDE)
    finally:
        new.run(["ip", "addr", "delete", "10.66.200.9/20", "dev", "host0"])
    assert f"the subnet {INSIDE} overlaps 10.66.192.0/20 (host0), a network that {new.address} itself has" in words


def test_an_unknown_host_key_is_never_pinned_unasked(new: Node, deb: Path, home: Path) -> None:
    words = refusal(new, deb, home, accept_host_key="")
    fingerprint = hostkey.parse(new.host_key).get_fingerprint()
    assert fingerprint in words
    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    with pytest.raises(SkateError, match="was not accepted; nothing was changed"):
        node.create_node(request(new, deb, accept_host_key=""), registry_path=home, progress=quiet, confirm=no)
    assert len(asked) == 1
    assert fingerprint in asked[0]


def test_a_wrong_host_key_is_refused(new: Node, deb: Path, home: Path) -> None:
    words = refusal(new, deb, home, accept_host_key="SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    assert "THE HOST KEY OF" in words


def test_interrupted_anywhere_running_it_again_finishes(old: Node, deb: Path, home: Path) -> None:
    """Stopped before each step in turn, then once in the middle of dpkg's work; each run begins where the last one stopped."""
    told: list[str] = []

    def interrupt_at_anything_new(words: str) -> None:
        if words not in told:
            told.append(words)
            raise KeyboardInterrupt

    subnets = set()
    while True:
        try:
            changed = node.create_node(request(old, deb), registry_path=home, progress=interrupt_at_anything_new)
            break
        except KeyboardInterrupt:
            entry = registry.load(home).require(CLUSTER)
            assert not entry.nodes, "a node became a member before it was complete"
            subnets |= {item.subnet for item in entry.pending}
            assert len(told) < 20, told
    assert changed
    # Its units are enabled by the package, and may have woken skatelet before it is waited for.
    assert [words.split()[0] for words in told if not words.startswith("waiting")] == [
        *("connecting", "pinning", "checking", "installing", "writing", "letting", "writing", "looking"),
        "registering",
    ]
    entry = registry.load(home).require(CLUSTER)
    assert entry.pending == []
    assert {item.subnet for item in entry.nodes} == subnets == {"10.66.1.0/24"}
    assert_complete(old, keys=1)


def assert_complete(machine: Node, *, keys: int) -> None:
    assert machine.run(["cat", "/etc/skate/authorized_keys"]).stdout.count("restrict ssh-ed25519") == keys
    assert machine.run(["ls", "/var/cache"]).stdout.split().count("skate-setup") == 0
    assert machine.run(["dpkg", "--audit"]).stdout == ""
    states = machine.run(["systemctl", "is-active", "skatelet.path", "skatelet.timer"], check=False).stdout.split()
    assert states == ["active", "active"]


def test_running_it_again_changes_nothing(old: Node, deb: Path, home: Path) -> None:
    before, registered = snapshot(old), home.stat().st_ino
    for _ in range(2):
        changed = node.create_node(request(old, deb), registry_path=home, progress=quiet)
        assert not changed
    assert snapshot(old) == before
    assert home.stat().st_ino == registered


def test_the_command_line_says_so(old: Node, deb: Path, home: Path) -> None:
    """Everything but the name is in the registry by now."""
    done = skate(home, "create", "node", "--name", old.name, "--deb", str(deb))
    assert (done.returncode, done.stdout) == (0, f"node/{old.name} unchanged\n"), done.stderr
    labelled = skate(home, "create", "node", "--name", old.name, "--deb", str(deb), "--label", "disk=ssd")
    assert (labelled.returncode, labelled.stdout) == (0, f"node/{old.name} configured\n"), labelled.stderr
    entry = registry.load(home).require(CLUSTER).node(old.name)
    assert entry is not None
    assert entry.labels == {"disk": "ssd"}


def skate(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from skate.cli.main import main; main()", "--skateconfig", str(path), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL, cwd=ROOT
    )


def test_what_contradicts_the_registry_is_refused(old: Node, new: Node, deb: Path, home: Path) -> None:
    taken = refusal(new, deb, home, subnet="10.66.0.0/22")
    assert f"the subnet 10.66.0.0/22 overlaps 10.66.1.0/24 of node {old.name}" in taken
    assert f"is registered with {old.address}, not {new.address}" in refusal(old, deb, home, host=new.address)
    assert f"{old.address} is registered as node {old.name} already" in refusal(old, deb, home, name="other")
    moved = refusal(old, deb, home, subnet=INSIDE)
    assert f"node {old.name} has the subnet 10.66.1.0/24, not {INSIDE}" in moved


def test_a_host_of_another_cluster_is_refused(old: Node, deb: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    cluster.create_cluster(registry_path=path, name="other", progress=quiet)
    words = refusal(old, deb, path, cluster="other")
    assert f"{old.address} is node {old.name} of cluster {CLUSTER} already" in words


def test_a_second_developer_joins_and_keeps_what_is_there(old: Node, deb: Path, tmp_path: Path, home: Path) -> None:
    path = make_registry(tmp_path)
    identity = old.run(["cat", "/etc/skate/node.yaml"]).stdout
    assert node.create_node(request(old, deb), registry_path=path, progress=quiet)
    assert old.run(["cat", "/etc/skate/node.yaml"]).stdout == identity
    assert_complete(old, keys=2)
    assert not node.create_node(request(old, deb), registry_path=home, progress=quiet)


def test_another_build_of_the_same_version_is_installed(old: Node, deb: Path, home: Path, tmp_path: Path) -> None:
    tree, other = tmp_path / "tree", tmp_path / "skatelet_other.deb"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(control.read_text().replace("Skatelet-Inputs: ", "Skatelet-Inputs: 0"))
    subprocess.run(
        ["dpkg-deb", "-b", "--root-owner-group", "-Zgzip", "-z1", tree, other], check=True, capture_output=True
    )
    beside = package.companion(package.read(deb)).path
    (tmp_path / beside.name).write_bytes(beside.read_bytes())
    identity = old.run(["cat", "/etc/skate/node.yaml"]).stdout
    assert node.create_node(request(old, other), registry_path=home, progress=quiet)
    installed = old.run(["dpkg-query", "-W", "-f=${Skatelet-Inputs}", "skatelet"]).stdout
    assert installed == package.read(other).inputs
    assert old.run(["cat", "/etc/skate/node.yaml"]).stdout == identity
    assert_complete(old, keys=2)


def test_nginx_is_brought_without_its_server_on_port_80(old: Node, deb: Path, home: Path) -> None:
    """The node has nginx, and no archive to bring it from: so this is one that was stopped before the mask was taken off."""
    old.run(["systemctl", "mask", "--runtime", "nginx.service"])
    old.run(["systemctl", "enable", "nginx.service"], check=False)
    assert node.create_node(request(old, deb), registry_path=home, progress=quiet)
    shown = old.run(
        ["systemctl", "show", "--value", "-p", "UnitFileState", "-p", "ActiveState", "nginx.service"]
    ).stdout
    assert sorted(shown.split()) == ["disabled", "inactive"]
    assert not node.create_node(request(old, deb), registry_path=home, progress=quiet)


def test_ctrl_c_in_the_middle_of_dpkg_is_mended_by_the_next_run(new: Node, deb: Path, home: Path) -> None:
    """And with sudo, as an account that is not root."""
    new.run(["tee", "/etc/sudoers.d/plain"], input="plain ALL=(ALL) NOPASSWD: ALL\n")
    arguments = ["create", "node", "--name", new.name, "--host", new.address, "--user", "plain", "--key", str(new.key)]
    arguments += ["--host-key", hostkey.parse(new.host_key).get_fingerprint(), "--deb", str(deb)]
    command = [sys.executable, "-c", "from skate.cli.main import main; main()", "--skateconfig", str(home), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        state = ["dpkg-query", "-W", "-f=${db:Status-Status}", "skatelet"]
        halfway = ("half-installed", "unpacked", "half-configured")
        wait_until(
            lambda: new.run(state, check=False).stdout in halfway or process.poll() is not None,
            lambda: new.run(state, check=False).stdout,
        )
        assert process.poll() is None, process.stderr and process.stderr.read()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.endswith("interrupted\n")
    done = skate(home, *arguments)
    assert (done.returncode, done.stdout) == (0, f"node/{new.name} created\n"), done.stderr
    assert_complete(new, keys=1)
    entry = registry.load(home).require(CLUSTER).node(new.name)
    assert entry is not None
    assert entry.subnet == "10.66.2.0/24"


def test_a_changed_host_key_is_refused_until_it_is_named(new: Node, deb: Path, home: Path) -> None:
    new.run(["rm", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub"])
    new.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/ssh_host_ed25519_key"])
    new.run(["systemctl", "restart", "ssh"])
    changed = " ".join(new.run(["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).stdout.split()[:2])
    words = refusal(new, deb, home, accept_host_key="", user="plain")
    pinned, shown = (hostkey.describe(hostkey.parse(key)) for key in (new.host_key, changed))
    assert f"THE HOST KEY OF {new.address} IS NOT THE EXPECTED ONE" in words
    assert f"expected: {pinned}\nshown:    {shown}" in words
    assert node.create_node(request(new, deb, accept_host_key=changed), registry_path=home, progress=quiet)
    entry = registry.load(home).require(CLUSTER).node(new.name)
    assert entry is not None
    assert entry.host_key == changed


def test_a_drop_that_sshd_keeps_out_says_why(new: Node, deb: Path, home: Path) -> None:
    new.run(["tee", "/etc/ssh/sshd_config.d/10-only-root.conf"], input="AllowUsers root plain\n")
    new.run(["systemctl", "restart", "ssh"])
    words = refusal(new, deb, home, accept_host_key="")
    new.run(["rm", "/etc/ssh/sshd_config.d/10-only-root.conf"])
    new.run(["systemctl", "restart", "ssh"])
    assert "the drop account does not take our key" in words
    assert "sshd there has allowusers root plain: the account skate has to be let in" in words


def test_this_machine_is_a_node_without_ssh(old: Node, deb: Path, tmp_path: Path) -> None:
    """skate runs on the host itself, with the modules that the package brings: asyncssh is none of them, and sshd is off."""
    old.run(["dpkg", "--purge", "skatelet", "skatelet-coredns"], timeout=120)
    subprocess.run(["dpkg-deb", "-x", deb, tmp_path / "deb"], check=True)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for source in ("skate", "skatelet"):
            archive.add(ROOT / source, source, filter=lambda item: None if "__pycache__" in item.name else item)
        archive.add(tmp_path / "deb/usr/lib/skatelet/vendor", "vendor")
        archive.add(deb, "skatelet.deb")
        beside = package.companion(package.read(deb)).path
        archive.add(beside, beside.name)
    old.run(["install", "-d", "/opt/skate"])
    old.run(["tar", "-x", "-C", "/opt/skate"], input=content.getvalue())
    old.run(["systemctl", "stop", "ssh"])
    call = [
        "env",
        "PYTHONPATH=/opt/skate:/opt/skate/vendor",
        "python3",
        "-c",
        "from skate.cli.main import main; main()",
    ]
    assert old.run([*call, "create", "cluster", "one"]).stdout == "cluster/one created\n"
    create = [*call, "create", "node", "--name", "here", "--local", "--deb", "/opt/skate/skatelet.deb"]
    assert old.run(create, timeout=120).stdout == "node/here created\n"
    assert old.run(create).stdout == "node/here unchanged\n"
    assert "local: true" in old.run(["cat", "/root/.skate/config.yaml"]).stdout
    assert "node: here" in old.run(["cat", "/etc/skate/node.yaml"]).stdout
    assert old.run(
        ["env", "PYTHONPATH=/opt/skate:/opt/skate/vendor", "python3", "-c", "import asyncssh"], check=False
    ).returncode
    images.load_everywhere([old], busybox.image_tar(progress=quiet), busybox.IMAGE, progress=quiet)
    applied = old.run([*call, "apply", "-f", "-"], input=(ROOT / "examples" / "web.yaml").read_text(), timeout=120)
    assert applied.stdout == "deployment.apps/web created\n"
    pods = [line.split() for line in old.run([*call, "get", "pods", "-o", "wide", "--no-headers"]).stdout.splitlines()]
    assert [(pod[1], pod[2], pod[6]) for pod in pods] == [("1/1", "Running", "here")] * 3
    assert old.run([*call, "get", "nodes", "--no-headers"]).stdout.split()[:2] == ["here", "Ready"]
    answer = old.run(["curl", "--silent", "--fail", "--max-time", "5", f"http://{pods[0][5]}:8080/"]).stdout
    assert answer.strip() == pods[0][0]
    assert old.run([*call, "delete", "deploy", "web"], timeout=120).stdout == 'deployment.apps "web" deleted\n'
    assert old.run([*call, "get", "pods"]).stdout == ""
