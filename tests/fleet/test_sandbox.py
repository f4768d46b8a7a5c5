"""The sandbox itself, on a sandbox of its own: two bare nodes, one of each Debian release. Needs root."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skate import registry
from skate.cli import main
from skate.errors import SkateError
from skate.sandbox import fleet, images, machine, network, node, state

pytestmark = pytest.mark.fleet

NAME = "sandbox-test"
IMAGE = "registry.example/still:1"

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: still}
spec:
  containers:
  - name: c
    image: registry.example/still:1
    imagePullPolicy: Never
    command: [/catatonit, -P]
    resources: {limits: {memory: 64Mi, cpu: 200m}}
"""

HOOK = """\
{"version": "1.0.0", "hook": {"path": "/usr/bin/touch", "args": ["touch", "/run/hooked"]},
 "when": {"always": true}, "stages": ["poststart"]}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fleet.Fleet]:
    fleet.delete(NAME)
    path = tmp_path_factory.mktemp("lab") / "config.yaml"
    made = fleet.create(NAME, nodes=2, releases=["bookworm", "trixie"], bare=True, registry_path=path, progress=print)
    yield made
    fleet.delete(NAME)


@pytest.fixture(params=["node-1", "node-2"])
def target(request: pytest.FixtureRequest, lab: fleet.Fleet) -> node.Node:
    """Each node in turn, up and connected, whatever the test before did to it."""
    found = lab.node(request.param)
    found.start()
    if found.partitioned:
        found.heal()
    return found


def still_image(lab: fleet.Fleet, directory: Path) -> Path:
    """A root file system of one static program, which the nodes' own system has: podman's pause."""
    tar = directory / "still.tar"
    with tarfile.open(tar, "w") as stream:
        stream.add(lab.nodes[0].machine.lower / "usr/bin/catatonit", "catatonit")
    return tar


def traces(name: str) -> list[str]:
    """Whatever a sandbox could leave on this machine, in words."""
    found = [f"process {pid}: {line}" for pid, line in command_lines() if str(state.root() / name) in line]
    sandbox = state.Sandbox(name=name, subnet="")
    links = [link for link in os.listdir("/sys/class/net") if sandbox.tag in link]
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/*{sandbox.tag}*")]
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(state.root() / name) in line]
    directories = [str(state.root() / name)] if (state.root() / name).exists() else []
    return [*found, *links, *groups, *mounts, *directories]


def command_lines() -> list[tuple[int, str]]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                line = Path("/proc", entry, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            found.append((int(entry), line))
    return found


def test_nodes_are_hosts_of_the_releases_asked_for(lab: fleet.Fleet, target: node.Node) -> None:
    assert f"VERSION_CODENAME={target.release}" in target.run(["cat", "/etc/os-release"]).stdout
    assert target.run(["hostname"]).stdout.strip() == target.name
    assert target.run(["systemctl", "--failed", "--no-legend"]).stdout == ""
    assert target.run(["test", "-e", "/var/lib/skate"], check=False).returncode == 1


def test_nothing_that_is_a_hosts_own_is_shared(lab: fleet.Fleet) -> None:
    first, second = lab.nodes
    for path in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"):
        assert first.run(["cat", path]).stdout != second.run(["cat", path]).stdout
    assert first.host_key.split()[1] in first.run(["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).stdout


def test_nodes_reach_each_other_by_name(lab: fleet.Fleet, target: node.Node) -> None:
    for other in lab.nodes:
        assert "0% packet loss" in target.run(["ping", "-c1", "-W5", other.name]).stdout


def test_exec_passes_exit_code_input_and_output_on(target: node.Node, capfd: pytest.CaptureFixture[str]) -> None:
    assert main.run(["sandbox", "exec", f"{NAME}/{target.name}", "--", "sh", "-c", "echo out; exit 7"]) == 7
    assert capfd.readouterr().out == "out\n"
    assert target.run(["cat"], input="in").stdout == "in"
    with pytest.raises(SkateError, match="failed \\(3\\)"):
        target.run(["sh", "-c", "exit 3"])


def test_a_command_that_does_not_end_is_ended(target: node.Node) -> None:
    with pytest.raises(SkateError, match="did not end"):
        target.run(["sleep", "1234"], timeout=0.5)
    machine.wait_until(
        lambda: "1234" not in target.run(["ps", "-eo", "args"]).stdout, seconds=10, what="the sleep to be gone"
    )


def test_ssh_is_real_and_the_host_key_is_pinned(target: node.Node, capfd: pytest.CaptureFixture[str]) -> None:
    assert main.run(["sandbox", "ssh", "-s", NAME, target.name, "--", "echo", "$SSH_CONNECTION"]) == 0
    assert f" {target.address} 22" in capfd.readouterr().out
    kept = target.known_hosts.read_text()
    try:
        target.known_hosts.write_text(f"{target.address} {other_key(target)}\n")
        assert main.run(["sandbox", "ssh", "-s", NAME, target.name, "--", "true"]) == 255
    finally:
        target.known_hosts.write_text(kept)


def other_key(target: node.Node) -> str:
    return target.key.with_suffix(".pub").read_text().rpartition(" ")[0]


def test_pods_run_with_limits_and_hooks_also_where_limits_cannot_be_kept(
    lab: fleet.Fleet, target: node.Node, tmp_path: Path
) -> None:
    images.load_everywhere([target], still_image(lab, tmp_path), IMAGE, progress=print)
    target.run(["mkdir", "-p", "/etc/containers/containers.conf.d", "/etc/hooks"])
    target.run(["tee", "/etc/hooks/touch.json"], input=HOOK)
    drop_in = '[engine]\nhooks_dir = ["/etc/hooks"]\n'
    target.run(["tee", "/etc/containers/containers.conf.d/hooks.conf"], input=drop_in)
    try:
        target.run(["podman", "kube", "play", "-"], input=POD)
        seen = json.loads(target.run(["podman", "inspect", "still-c"]).stdout)[0]
        assert seen["State"]["Status"] == "running"
        assert seen["HostConfig"]["Memory"] == 64 * 1024 * 1024
        assert target.run(["test", "-e", "/run/hooked"], check=False).returncode == 0
    finally:
        target.run(["podman", "pod", "rm", "-f", "-t0", "still"], check=False)


def test_an_image_archive_keeps_its_layers_and_gets_the_name_asked_for(
    lab: fleet.Fleet, target: node.Node, tmp_path: Path
) -> None:
    target.load_image(still_image(lab, tmp_path), IMAGE)
    target.run(["podman", "save", "-q", "-o", "/root/saved.tar", IMAGE])
    saved = tmp_path / "saved.tar"
    saved.write_bytes((target.machine.directory / "upper/root/saved.tar").read_bytes())
    before = target.run(["podman", "image", "inspect", "--format={{.Id}}", IMAGE]).stdout
    target.run(["podman", "rmi", IMAGE])
    target.load_image(saved, "registry.example/again:2")
    after = target.run(["podman", "image", "inspect", "--format={{.Id}}", "registry.example/again:2"]).stdout
    assert after == before


def test_files_survive_a_power_loss(target: node.Node) -> None:
    boot = target.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout
    for path in ("/etc/kept", "/var/lib/kept"):
        target.run(["tee", path], input="kept")
    target.kill()
    assert target.status == "Stopped"
    with pytest.raises(SkateError, match="not running"):
        target.run(["true"])
    target.start()
    assert target.run(["cat", "/etc/kept", "/var/lib/kept"]).stdout == "keptkept"
    assert target.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout != boot


def test_a_node_shuts_down_cleanly_and_comes_back(target: node.Node, capfd: pytest.CaptureFixture[str]) -> None:
    target.run(["systemd-run", "--unit=witness", "--property=ExecStop=/usr/bin/touch /var/lib/clean", "sleep", "1000"])
    assert main.run(["sandbox", "stop", f"{NAME}/{target.name}"]) == 0
    assert target.status == "Stopped"
    assert main.run(["sandbox", "start", f"{NAME}/{target.name}"]) == 0
    assert target.run(["rm", "/var/lib/clean"]).returncode == 0


def test_a_node_can_reboot_itself(target: node.Node) -> None:
    boot = target.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout
    target.reboot()
    assert target.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout != boot


def test_a_node_whose_nspawn_was_killed_can_be_started(target: node.Node) -> None:
    nspawn = [
        pid for pid, line in command_lines() if line.startswith("systemd-nspawn") and str(target.machine.root) in line
    ]
    assert len(nspawn) == 1
    os.kill(nspawn[0], signal.SIGKILL)
    target.kill()
    target.start()
    assert target.status == "Running"


def test_a_partition_cuts_a_node_off_and_heals(lab: fleet.Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    fleet.start(lab.nodes)
    first, second = lab.nodes
    ping = ["ping", "-c1", "-W1", second.name]
    assert main.run(["sandbox", "partition", f"{NAME}/{second.name}"]) == 0
    assert first.run(ping, check=False).returncode == 1
    assert second.run(["true"]).returncode == 0
    assert main.run(["sandbox", "list"]) == 0
    row = next(line for line in capfd.readouterr().out.splitlines() if second.name in line and NAME in line)
    assert "Partitioned" in row
    assert main.run(["sandbox", "heal", f"{NAME}/{second.name}"]) == 0
    machine.wait_until(lambda: first.run(ping, check=False).returncode == 0, seconds=10, what="a ping to pass")
    assert second.status == "Running"


def test_a_name_is_given_once(lab: fleet.Fleet) -> None:
    with pytest.raises(SkateError) as caught:
        fleet.create(NAME, nodes=1, bare=True)
    assert "exists already" in caught.value.message
    assert f"skate sandbox delete {NAME}" in caught.value.hint
    assert all(item.name for item in fleet.load(NAME).nodes)


def test_delete_cleans_up_after_a_create_that_was_killed(lab: fleet.Fleet) -> None:
    name = "sandbox-test-killed"
    fleet.delete(name)
    entry = "from skate.cli import main; main.main()"
    argv = [sys.executable, "-c", entry, "sandbox", "create", name, "--nodes", "1", "--bare", "--release", "trixie"]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        machine.wait_until(lambda: booting(name), seconds=60, what="the sandbox to boot")
        process.kill()
    row = next(row for row in fleet.list_all() if row.name == name)
    assert not row.complete
    second = next(item for item in fleet.list_all() if item.name == NAME)
    assert {item.address for item in row.nodes}.isdisjoint(item.address for item in second.nodes)
    assert fleet.delete(name)
    assert traces(name) == []


def booting(name: str) -> bool:
    row = next((row for row in fleet.list_all() if row.name == name), None)
    return bool(row and row.nodes and machine.processes(row.nodes[0].machine))


def test_a_create_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lab: fleet.Fleet) -> None:
    name = "sandbox-test-failed"
    fleet.delete(name)
    # A bridge that cannot get its address is a failure with files on disk and processes about to start.
    monkeypatch.setattr(network, "gateway", lambda subnet: "not an address")
    with pytest.raises(SkateError):
        fleet.create(name, nodes=1, releases=["trixie"], bare=True, registry_path=tmp_path / "config.yaml")
    assert traces(name) == []


def test_a_node_that_does_not_boot_says_what_its_console_said(lab: fleet.Fleet) -> None:
    name = "sandbox-test-broken"
    fleet.delete(name)
    made = fleet.create(name, nodes=1, releases=["trixie"], bare=True)
    try:
        only = made.nodes[0]
        only.kill()
        only.machine.directory.joinpath("var").rename(only.machine.directory / "lost")
        began = time.monotonic()
        with pytest.raises(SkateError) as caught:
            only.start()
        assert any("var" in line for line in caught.value.details), caught.value.details
        assert time.monotonic() - began < 30
    finally:
        fleet.delete(name)
    assert traces(name) == []


def test_a_bare_sandbox_makes_no_context(lab: fleet.Fleet) -> None:
    assert state.require(NAME).registry == ""
    assert registry.load(registry.default_path()).cluster(NAME) is None
