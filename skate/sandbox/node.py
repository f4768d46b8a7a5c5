"""One node of a sandbox: made, run in, stopped, started, killed, cut off.

A node's `/var` is a plain directory, the rest an overlay over the cached root file system; both stay over stop, start and kill,
as a disk does. What makes a host itself is written before its first boot: name, address, SSH host key, and an empty machine-id
that systemd fills in.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skate.errors import SkateError
from skate.sandbox import host, limits, machine, network, state

BOOT_SECONDS = 120.0
STOP_SECONDS = 120.0

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LANG": "C.UTF-8",
}

_SYSTEMD = """\
# podman 4.3's containers may ignore SIGTERM for the default 90 s at shutdown.
[Manager]
DefaultTimeoutStopSec=15s
"""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node as a caller has it in hand. Nothing in it changes over the node's life."""

    sandbox: str
    name: str
    release: str
    address: str
    port: int
    key: Path
    """The private key that root accepts."""
    known_hosts: Path
    host_key: str
    """The public host key, `algorithm base64`."""
    machine: machine.Machine

    @property
    def running(self) -> bool:
        return machine.leader(self.machine) is not None

    @property
    def partitioned(self) -> bool:
        return network.exists(self.machine.port) and not network.attached(self.machine.port, self.machine.bridge)

    @property
    def status(self) -> str:
        """Running, Partitioned or Stopped."""
        if not self.running:
            return "Stopped"
        return "Partitioned" if self.partitioned else "Running"

    def exec_argv(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` in the node as root, without SSH. Raises SkateError when the node is off."""
        leader = self._require_leader()
        environment = [f"{key}={value}" for key, value in _ENVIRONMENT.items()]
        if "TERM" in os.environ:
            environment.append(f"TERM={os.environ['TERM']}")
        enter = ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C"]
        return [*enter, "env", "-i", "--chdir=/root", *environment, *argv]

    def ssh_argv(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` in the node by SSH as root, its host key pinned."""
        options = [
            f"UserKnownHostsFile={self.known_hosts}",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "ConnectTimeout=10",
            "LogLevel=ERROR",
        ]
        flags = [part for option in options for part in ("-o", option)]
        return ["ssh", "-F", "none", *flags, "-i", str(self.key), "-p", str(self.port), f"root@{self.address}", *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | bytes | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` in the node as root, without SSH, and return its exit code and outputs as text.

        Raises SkateError when the node is off, when it takes over `timeout` seconds, and, with `check`, when it fails.
        """
        data = input.encode() if isinstance(input, str) else input
        with subprocess.Popen(
            self.exec_argv(argv),
            stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(data, timeout=timeout)
            except BaseException as error:
                # nsenter has a child in the node; both are in the session made above.
                os.killpg(process.pid, signal.SIGKILL)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise SkateError(f"{self.name}: `{' '.join(argv)}` did not end in {timeout:.0f} s") from error
                raise
        done = subprocess.CompletedProcess(list(argv), process.returncode, _text(out), _text(err))
        if check and done.returncode != 0:
            raise SkateError(
                f"{self.name}: `{' '.join(argv)}` failed ({done.returncode})",
                details=(done.stderr or done.stdout).strip().splitlines()[-15:],
            )
        return done

    def start(self) -> None:
        """Boot the node and wait until it is up. Nothing happens when it is. A partition is over with the boot."""
        if not self.running:
            self.boot()
        self.wait_booted()

    def boot(self) -> None:
        """Start the node's processes; `wait_booted` waits for what comes of it."""
        machine.kill(self.machine)
        network.delete_link(self.machine.port)
        machine.boot(self.machine)

    def wait_booted(self, *, seconds: float = BOOT_SECONDS) -> None:
        """Wait until systemd has started everything and sshd answers. Raises SkateError with the console's end."""
        try:
            machine.wait_until(self._is_up, seconds=seconds, what=f"{self.name} to boot")
        except SkateError as error:
            error.details += machine.console_tail(self.machine)
            raise

    def _is_up(self) -> bool:
        if not machine.processes(self.machine):
            # The launcher may not have been seen yet, or has failed for good: the console tells which.
            tail = machine.console_tail(self.machine)
            if tail:
                raise SkateError(f"{self.name} does not boot")
            return False
        if not self.running:
            return False
        # Until systemd is there the command fails, until it is done it says "starting": both are "not yet".
        answer = self.run(["systemctl", "is-system-running"], check=False).stdout.strip()
        return answer in ("running", "degraded") and (self.partitioned or self._sshd_answers())

    def _sshd_answers(self) -> bool:
        try:
            with socket.create_connection((self.address, self.port), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """Shut the node down cleanly. Raises SkateError when it is not off after `seconds`."""
        machine.stop(self.machine, seconds=seconds)

    def kill(self) -> None:
        """Cut the node's power: everything in it ends at once. Its files stay."""
        machine.kill(self.machine)

    def reboot(self) -> None:
        """Let the node reboot itself, and wait until it is up again."""
        before = self._require_leader()
        self.run(["systemctl", "--no-block", "reboot"])
        machine.wait_until(
            lambda: machine.leader(self.machine) not in (None, before),
            seconds=STOP_SECONDS,
            what=f"{self.name} to shut down and begin anew",
        )
        self.wait_booted()

    def partition(self) -> None:
        """Cut the node off: nothing reaches it and it reaches nothing, but it runs on. Ends by `heal`, or by a start."""
        self._require_leader()
        network.detach(self.machine.port)

    def heal(self) -> None:
        """Connect the node again."""
        self._require_leader()
        network.attach(self.machine.port, self.machine.bridge)

    def load_image(self, tar: Path, image: str) -> None:
        """Put the container image in `tar` into the node as `image`: see `images`."""
        from skate.sandbox import images

        images.load(self, tar, image)

    def _require_leader(self) -> int:
        leader = machine.leader(self.machine)
        if leader is None:
            raise SkateError(
                f"node {self.name} is not running", hint=f"skate sandbox start {self.sandbox}/{self.name} boots it"
            )
        return leader


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", errors="replace")


def of(sandbox: state.Sandbox, record: state.NodeRecord) -> Node:
    """The node that `record` stands for."""
    return Node(
        sandbox=sandbox.name,
        name=record.name,
        release=record.release,
        address=record.address,
        port=22,
        key=sandbox.key,
        known_hosts=sandbox.known_hosts,
        host_key=record.host_key,
        machine=machine.Machine(
            name=f"{sandbox.tag}-{record.address.rpartition('.')[2]}",
            hostname=record.name,
            lower=state.cache() / record.rootfs,
            directory=sandbox.directory / "nodes" / record.name,
            bridge=sandbox.bridge,
        ),
    )


def make(sandbox: state.Sandbox, record: state.NodeRecord) -> state.NodeRecord:
    """Lay out the files of a node that is to boot for the first time; returns the record with its host key."""
    target = of(sandbox, record).machine
    upper = target.directory / "upper"
    for path in (upper, target.directory / "work", target.root):
        path.mkdir(parents=True, mode=0o755)
    host.run(["cp", "-a", "--reflink=auto", str(target.lower / "var"), str(target.directory / "var")])
    _write(upper / "etc/hostname", f"{record.name}\n")
    _write(upper / "etc/machine-id", "")
    _write(upper / "etc/hosts", _hosts(sandbox))
    _write(upper / "etc/systemd/network/10-host0.network", _network(sandbox, record))
    _write(upper / "etc/systemd/system.conf.d/skate-sandbox.conf", _SYSTEMD)
    _write(upper / "root/.ssh/authorized_keys", sandbox.key.with_suffix(".pub").read_text(encoding="ascii"))
    for private in (upper / "root", upper / "root/.ssh"):
        private.chmod(0o700)
    shutil.copytree(target.lower / "root", upper / "root", symlinks=True, dirs_exist_ok=True)
    host_key = upper / "etc/ssh/ssh_host_ed25519_key"
    host_key.parent.mkdir(parents=True)
    host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{record.name}", "-f", str(host_key)])
    limits.apply(upper)
    algorithm, base64, *_ = Path(f"{host_key}.pub").read_text(encoding="ascii").split()
    return replace(record, host_key=f"{algorithm} {base64}")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _hosts(sandbox: state.Sandbox) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    return "\n".join([*lines, *(f"{node.address} {node.name}" for node in sandbox.nodes)]) + "\n"


def _network(sandbox: state.Sandbox, record: state.NodeRecord) -> str:
    """The node's end of the veth pair; must sort before systemd's own 80-container-host0.network."""
    return (
        "[Match]\nName=host0\n\n"
        f"[Network]\nAddress={record.address}/24\nGateway={network.gateway(sandbox.subnet)}\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )
