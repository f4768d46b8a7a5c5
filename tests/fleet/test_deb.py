"""The .deb on real nodes, Debian 12 and 13: what it puts there, who may do what, and that purging takes all of it away.

One sandbox of two bare nodes serves all tests. They run in the order they stand in, as an operator's days do: install, use,
upgrade, remove, purge. Each runs on each release.
"""

from __future__ import annotations

import asyncio
import pathlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import asyncssh
import pytest

from skate.sandbox import busybox, fleet, images, machine
from skate.sandbox import node as sandbox_node
from skatelet.contract import drop

pytestmark = pytest.mark.fleet

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASES = ("bookworm", "trixie")
IMAGE = "localhost/packaged:1"
NEWER = "99.0"
WAKE = "/run/skatelet/wake"
DROP_IN = "/etc/ssh/sshd_config.d/50-skate.conf"
BROKEN = "/etc/ssh/sshd_config.d/60-broken.conf"


def manifest(name: str, *, label: str, annotation: str) -> str:
    return f"""\
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{"{label}": "true"}}
  annotations: {{"{annotation}": "default/{name}"}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: {IMAGE}
    command: [sh, -c, "trap 'exit 0' TERM; sleep 100000 & wait"]
"""


OURS = manifest("ours", label="cluster.skate/managed", annotation="cluster.skate/instance")
THEIRS = manifest("theirs", label="app", annotation="note")


@dataclass(frozen=True, kw_only=True)
class Host:
    """A node, what it looked like before the package came, and a key for the drop account."""

    node: sandbox_node.Node
    before: dict[str, list[str]]
    key: pathlib.Path

    def sh(self, command: str, *, check: bool = True) -> str:
        done = self.node.run(["sh", "-c", command], timeout=120, check=check)
        return (done.stdout + done.stderr).strip()

    def install(self, deb: str) -> str:
        return self.sh(f"DEBIAN_FRONTEND=noninteractive dpkg --install /root/{deb}")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        machine.wait_until(condition, seconds=60, what=f"{self.node.name}: {what}")


def snapshot(node: sandbox_node.Node) -> dict[str, list[str]]:
    """What purging must put back: files, accounts and units. podman's own storage and networks are podman's."""
    commands = {
        "files": "find /etc /usr /var/lib -path /var/lib/containers -prune -o -path /var/lib/cni -prune -o "
        "-path '/etc/containers/networks*' -prune -o -name __pycache__ -prune -o -print",
        "accounts": "getent passwd; getent group",
        "units": "systemctl list-unit-files --no-legend --no-pager",
        "pods": "podman pod ls --quiet",
    }
    return {name: sorted(node.run(["sh", "-c", text]).stdout.splitlines()) for name, text in commands.items()}


def newer(deb: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    """The same package under a higher version."""
    tree = target / "newer"
    subprocess.run(["dpkg-deb", "--raw-extract", str(deb), str(tree)], check=True)
    control = tree / "DEBIAN" / "control"
    lines = control.read_text().splitlines()
    changed = [f"Version: {NEWER}" if line.startswith("Version:") else line for line in lines]
    control.write_text("\n".join(changed) + "\n")
    built = target / "newer.deb"
    command = ["dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "--build", str(tree), str(built)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return built


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Host]]:
    scratch = tmp_path_factory.mktemp("deb")
    built = subprocess.run([str(ROOT / "packaging" / "build-deb")], check=True, stdout=subprocess.PIPE, text=True)
    coredns, deb = (pathlib.Path(line) for line in built.stdout.splitlines())
    upgrade = newer(deb, scratch)
    key = scratch / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    fleet.delete("test-deb")
    sandbox = fleet.create("test-deb", nodes=2, releases=RELEASES, bare=True)
    try:
        found = {}
        for node in sandbox.nodes:
            node.run(["sh", "-c", "cat > /root/skatelet.deb"], input=deb.read_bytes())
            node.run(["sh", "-c", "cat > /root/newer.deb"], input=upgrade.read_bytes())
            node.run(["sh", "-c", "cat > /root/coredns.deb"], input=coredns.read_bytes())
            images.load(node, busybox.image_tar(progress=fleet.silent), IMAGE)
            found[node.release] = Host(node=node, before=snapshot(node), key=key)
        yield found
    finally:
        fleet.delete("test-deb")


@pytest.fixture(params=RELEASES)
def host(request: pytest.FixtureRequest, hosts: dict[str, Host]) -> Host:
    return hosts[request.param]


def test_installing_leaves_every_other_ssh_login_as_it_was(host):
    command = "/usr/sbin/sshd -T -C user=root,host=h,addr=192.0.2.1"
    before = host.sh(command)
    host.install("skatelet.deb")
    assert host.sh(command) == before
    assert "forcecommand internal-sftp" in host.sh("/usr/sbin/sshd -T -C user=skate,host=h,addr=192.0.2.1")
    assert subprocess.run(host.node.ssh_argv(["true"]), check=False).returncode == 0


def test_the_drop_has_the_owners_and_modes_of_the_contract(host):
    listing = host.sh(f"stat -c '%n %U:%G %a' {drop.ROOT} {drop.ROOT}/* /var/lib/skatelet /etc/skate {WAKE}")
    writable = [f"{drop.ROOT}/{name} skate:skate 700" for name in drop.WRITABLE]
    readable = [f"{drop.ROOT}/{name} root:skate 750" for name in drop.READABLE]
    own = ["/var/lib/skatelet root:root 700", "/etc/skate root:root 755", f"{WAKE} root:root 700"]
    assert sorted(listing.splitlines()) == sorted([f"{drop.ROOT} root:root 755", *writable, *readable, *own])
    # `!` would lock the account for keys too where sshd runs without PAM.
    assert host.sh("getent shadow skate").split(":")[1] == "*"


def test_the_units_are_on_and_the_vendored_modules_load_with_their_bytecode(host):
    assert host.sh("systemctl is-active skatelet.path skatelet.timer podman.socket").split() == ["active"] * 3
    assert host.sh("systemctl is-enabled skatelet.path skatelet.timer").split() == ["enabled"] * 2
    modules = "click, pydantic, pydantic_core, sdnotify, watchfiles, yaml, yaml._yaml, skatelet.contract.bundle"
    script = f"import sys; sys.path += ['/usr/lib/skatelet', '/usr/lib/skatelet/vendor']; import {modules}; print(yaml.__file__)"
    assert host.sh(f'/usr/bin/python3 -IS -c "{script}"') == "/usr/lib/skatelet/vendor/yaml/__init__.py"
    assert host.sh("ls /usr/lib/skatelet/vendor/yaml/__pycache__ | wc -l") != "0"


def test_the_account_puts_and_renames_files_and_a_rename_never_replaces(host):
    host.node.run(["sh", "-c", f"cat > {drop.AUTHORIZED_KEYS}"], input=host.key.with_suffix(".pub").read_bytes())

    async def use() -> tuple[list[str], list[str]]:
        refused: list[str] = []
        async with _connect(host) as connection, connection.start_sftp_client() as session:
            for name in ("one", "two"):
                async with session.open(f"upload/{name}", "wb") as handle:
                    await handle.write(b"x" * 100_000)
                    await handle.fsync()
            await session.rename("upload/one", drop.claim_path(7))
            calls = {
                "rename onto a claim": session.rename("upload/two", drop.claim_path(7)),
                "posix_rename onto a claim": session.posix_rename("upload/two", drop.claim_path(7)),
                "symlink": session.symlink("/etc", "upload/link"),
                "mkdir": session.mkdir("upload/directory"),
                "chmod": session.chmod("upload", 0o777),
                "write beside the drop's directories": _write(session, "/file"),
                "write the status": _write(session, f"/{drop.STATUS}"),
                "write what was accepted": _write(session, f"/{drop.ACCEPTED}"),
                "read the node's files": session.stat("/etc/passwd"),
            }
            for name, call in calls.items():
                try:
                    await call
                except asyncssh.SFTPError:
                    refused.append(name)
            await session.remove("upload/two")
            return refused, list(calls)

    refused, wanted = asyncio.run(use())
    assert refused == wanted
    assert host.sh(f"stat -c '%U %a %s' {drop.ROOT}/{drop.claim_path(7)}") == "skate 600 100000"


def test_the_account_has_no_shell_no_terminal_and_no_forwarding(host):
    async def use() -> None:
        async with _connect(host) as connection:
            ran = await connection.run("id")
            assert (ran.stdout, ran.exit_status) == ("This service allows sftp connections only.\n", 1)
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.run(term_type="xterm")
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", 22)
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_unix_connection("/run/podman/podman.sock")
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.forward_remote_port("", 0, "127.0.0.1", 22)

    asyncio.run(use())


def test_a_container_of_skates_that_starts_or_dies_wakes_skatelet_and_others_do_not(host):
    _pause(host)
    _play(host, THEIRS)
    assert host.sh(f"ls {WAKE}") == ""
    _play(host, OURS)
    assert host.sh(f"ls {WAKE}") == "container"
    host.sh(f"rm {WAKE}/container; kill -9 $(podman inspect --format '{{{{.State.Pid}}}}' ours-main)")
    host.wait(lambda: host.sh(f"ls {WAKE}") == "container", "the hook to tell of the container's end")


def test_the_hook_never_keeps_a_container_from_starting(host):
    host.sh("podman pod rm --force --time 0 ours; rm -r /run/skatelet")
    _play(host, OURS)
    assert host.sh("podman inspect --format '{{.State.Status}}' ours-main") == "running"
    host.sh("systemd-tmpfiles --create skatelet.conf")


def test_a_skatelet_that_crashes_does_not_make_systemd_spin_and_recovers_by_itself(host):
    _replace_skatelet(host, "/bin/false")
    host.sh(f"systemctl start skatelet.path; touch {WAKE}/test")
    host.wait(lambda: _shown(host, "service", "SubState") == "auto-restart", "skatelet to wait after its crash")
    assert int(_shown(host, "service", "NRestarts")) <= 2
    assert _shown(host, "path", "ActiveState") == "active"
    _replace_skatelet(host, f"/usr/bin/find {WAKE} -mindepth 1 -delete")
    host.wait(lambda: host.sh(f"ls {WAKE}") == "", "the repaired skatelet to run")


def test_a_trigger_that_is_never_consumed_is_cut_off_and_the_timer_revives_the_path_unit(host):
    _pause(host)
    _replace_skatelet(host, "/bin/true")
    # The shipped numbers are for real life: these make the same things happen within seconds.
    _drop_in(host, "skatelet.path", "[Path]\nTriggerLimitIntervalSec=5s\nTriggerLimitBurst=3\n")
    _drop_in(host, "skatelet.timer", "[Timer]\nOnUnitInactiveSec=\nOnBootSec=1s\nOnUnitInactiveSec=3s\n")
    host.sh(f"systemctl start skatelet.path; touch {WAKE}/test")
    host.wait(lambda: _shown(host, "path", "Result") == "trigger-limit-hit", "the path unit to meet its limit")
    _replace_skatelet(host, f"/usr/bin/find {WAKE} -mindepth 1 -delete")
    host.sh("systemctl start skatelet.timer")
    host.wait(lambda: _shown(host, "path", "ActiveState") == "active", "the timer to bring the path unit back")
    host.sh("rm -r /run/systemd/system/skatelet.*.d; systemctl daemon-reload; systemctl start skatelet.timer")


COREFILE = """cluster.skate nodes.skate {
    bind 127.0.0.1
    gather {
        own node-1 /run/skatelet-coredns/zone
    }
}
"""
ZONE = """$ORIGIN node-1.nodes.skate.
$TTL 5
@ IN SOA node-1.nodes.skate. skate.nodes.skate. 1 1 1 5 1
web.default A 10.66.1.10
"""
ASK = """import socket
labels = [b"web", b"default", b"cluster", b"skate", b""]
query = b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + b"".join(bytes([len(label)]) + label for label in labels) + b"\\0\\1\\0\\1"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.settimeout(1)
    asking.connect(("127.0.0.1", 53))
    asking.send(query)
    print(socket.inet_ntoa(asking.recv(512)[-4:]))
"""


def test_coredns_answers_as_an_unprivileged_user_that_can_do_nothing_else(host):
    host.install("coredns.deb")
    assert host.sh("systemctl is-active skatelet-coredns.service || true") == "inactive"
    host.sh("install -d -m 0755 /run/skatelet-coredns")
    host.node.run(["sh", "-c", "cat > /run/skatelet-coredns/Corefile"], input=COREFILE)
    host.node.run(["sh", "-c", "cat > /run/skatelet-coredns/zone"], input=ZONE)
    host.sh("systemctl start skatelet-coredns.service")
    assert _resolved(host) == "10.66.1.10"
    status = host.sh("cat /proc/$(systemctl show --value --property=MainPID skatelet-coredns.service)/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert {int(fields[name], 16) for name in ("CapEff", "CapBnd")} == {1 << 10}
    exposure = host.sh("systemd-analyze security --no-pager skatelet-coredns.service | grep Overall")
    assert float(re.findall(r"[0-9]+\.[0-9]+", exposure)[0]) <= 1.5, exposure


def test_coredns_is_restarted_when_it_dies_and_reads_its_configuration_anew_without_a_restart(host):
    pid = _coredns(host)
    host.sh(f"kill -KILL {pid}")
    host.wait(lambda: _coredns(host) not in ("0", pid), "CoreDNS to be started again")
    host.wait(lambda: _resolved(host) == "10.66.1.10", "it to answer")
    pid = _coredns(host)
    host.sh(
        "sed 's/127.0.0.1/127.0.0.1 127.0.0.9/' -i /run/skatelet-coredns/Corefile; systemctl reload skatelet-coredns.service"
    )
    host.wait(lambda: "127.0.0.9:53" in host.sh("ss -Hlnt"), "the new address to be listened on")
    assert _coredns(host) == pid


def test_coredns_is_restarted_by_an_upgrade_only_when_it_has_changed(host):
    pid = _coredns(host)
    host.install("coredns.deb")
    assert _coredns(host) == pid
    host.sh("printf x >> /usr/lib/skatelet-coredns/coredns")
    host.install("coredns.deb")
    assert _coredns(host) not in ("0", pid)
    host.wait(lambda: _resolved(host) == "10.66.1.10", "it to answer")


def _coredns(host: Host) -> str:
    """The process of CoreDNS, 0 when there is none."""
    return host.sh("systemctl show --value --property=MainPID skatelet-coredns.service")


def _resolved(host: Host) -> str:
    """The first address of web.default.cluster.skate, as CoreDNS on the node says; empty when it says nothing."""
    asked = host.node.run(["python3", "-c", ASK], check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def test_upgrading_keeps_the_drop_the_state_the_pods_and_the_ssh_daemon(host):
    host.sh("touch /var/lib/skatelet/kept")
    observe = (
        "podman ps --quiet --no-trunc --filter name=ours-main; systemctl show --property=InvocationID ssh.service; "
        f"ls -ln {drop.ROOT}/claims /etc/skate"
    )
    before = host.sh(observe)
    host.install("newer.deb")
    assert host.sh("dpkg-query --show --showformat '${Version}' skatelet") == NEWER
    assert host.sh(observe) == before
    assert host.sh("ls /var/lib/skatelet/kept") == "/var/lib/skatelet/kept"
    assert host.sh("systemctl is-active skatelet.path skatelet.timer").split() == ["active"] * 2


def test_removing_closes_the_account_and_leaves_pods_and_state(host):
    host.sh("dpkg --remove skatelet")
    assert host.sh(f"ls {DROP_IN} /usr/bin/skatelet 2>/dev/null; true") == ""
    assert host.sh("podman inspect --format '{{.State.Status}}' ours-main theirs-main").split() == ["running"] * 2
    assert host.sh(f"ls {drop.ROOT}/claims") == "7"
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(_connect_once(host))
    assert _coredns(host) == "0"
    assert host.sh("ls -d /run/skatelet-* 2>/dev/null; true") == ""


def test_a_configuration_that_sshd_refuses_is_taken_out_and_sshd_goes_on(host):
    host.sh(f"echo 'NoSuchOption yes' > {BROKEN}")
    said = host.install("skatelet.deb")
    assert "taken out again" in said
    assert host.sh(f"ls {DROP_IN} 2>/dev/null; systemctl is-active ssh.service") == "active"
    assert subprocess.run(host.node.ssh_argv(["true"]), check=False).returncode == 0
    host.sh(f"rm {BROKEN}; /usr/lib/skatelet/sshd-drop-in install")
    asyncio.run(_connect_once(host))


def test_purging_removes_what_is_skates_and_nothing_else(host):
    host.sh("podman network create --label cluster.skate/managed=true skate")
    host.sh("dpkg --purge skatelet skatelet-coredns")
    assert host.sh("podman ps --all --format '{{.Names}}' --filter name=-main").split() == ["theirs-main"]
    assert "skate" not in host.sh("podman network ls --format '{{.Name}}'").split()
    assert host.sh("ls /run/skatelet 2>/dev/null; true") == ""
    assert host.sh("systemctl is-active ssh.service podman.socket").split() == ["active"] * 2
    host.sh("podman pod rm --force --time 0 --all; podman rmi --force --all")
    after = snapshot(host.node)
    changed = {name: set(after[name]) ^ set(host.before[name]) for name in after}
    assert changed == {name: set() for name in after}


def _connect(host: Host) -> asyncssh.misc._ACMWrapper[asyncssh.SSHClientConnection]:
    return asyncssh.connect(
        host.node.address,
        username=drop.ACCOUNT,
        client_keys=[str(host.key)],
        known_hosts=str(host.node.known_hosts),
        config=None,
        agent_path=None,
    )


async def _connect_once(host: Host) -> None:
    async with _connect(host) as connection, connection.start_sftp_client() as session:
        await session.listdir("/")


async def _write(session: asyncssh.SFTPClient, path: str) -> None:
    async with session.open(path, "wb") as handle:
        await handle.write(b"x")


def _pause(host: Host) -> None:
    """Nothing reads the wake directory any more, so that a test can."""
    host.sh(f"systemctl stop skatelet.path skatelet.timer skatelet.service; rm -f {WAKE}/*")


def _play(host: Host, text: str) -> None:
    """As skatelet does it: through podman's API."""
    url = "http://podman/v4.0.0/libpod/play/kube"
    options = "--silent --fail-with-body --unix-socket /run/podman/podman.sock"
    curl = f"curl {options} --header 'content-type: application/x-yaml' --data-binary @- {url}"
    host.node.run(["sh", "-c", curl], input=text)


def _replace_skatelet(host: Host, command: str) -> None:
    """Lets skatelet.service run COMMAND; the rest of the unit stays as it is shipped."""
    _drop_in(host, "skatelet.service", f"[Service]\nType=exec\nWatchdogSec=0\nExecStart=\nExecStart={command}\n")


def _drop_in(host: Host, unit: str, text: str) -> None:
    folder = f"/run/systemd/system/{unit}.d"
    host.node.run(["sh", "-c", f"mkdir -p {folder}; cat > {folder}/test.conf; systemctl daemon-reload"], input=text)


def _shown(host: Host, unit: str, property_name: str) -> str:
    return host.sh(f"systemctl show --value --property={property_name} skatelet.{unit}")
