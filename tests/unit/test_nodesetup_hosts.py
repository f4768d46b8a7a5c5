"""Running commands on a host: the same cases on this machine and over SSH, to a server in this process that runs them here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncssh
import pytest

from skate import drops, registry
from skate.errors import NodeError
from skate.nodesetup import hostkey, hosts, ssh

Case = Callable[[hosts.Host], Awaitable[None]]
HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")
OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519")
USER_KEY = asyncssh.generate_private_key("ssh-ed25519")


class Server(asyncssh.SSHServer):
    """Lets in who has USER_KEY."""

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data == USER_KEY.public_data


async def run_here(process: asyncssh.SSHServerProcess[bytes]) -> None:
    child = await asyncio.create_subprocess_exec(
        *("sh", "-c", process.command or "true"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        stdout, stderr = await child.communicate(await process.stdin.read())
    finally:
        # A client that gives up leaves the command running and its pipes open; they must not outlive the loop.
        child._transport.close()
    process.stdout.write(stdout)
    process.stderr.write(stderr)
    process.exit(child.returncode or 0)


@contextlib.asynccontextmanager
async def server(host_key: asyncssh.SSHKey = HOST_KEY) -> AsyncIterator[int]:
    listener = await asyncssh.listen(
        *("127.0.0.1", 0),
        server_factory=Server,
        server_host_keys=[host_key],
        process_factory=run_here,
        sftp_factory=True,
        encoding=None,
    )
    async with listener:
        yield listener.get_port()


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "id"
    USER_KEY.write_private_key(str(path))
    return str(path)


def text(key: asyncssh.SSHKey) -> str:
    return hostkey.text(key.convert_to_public())


@pytest.fixture(params=["local", "ssh"])
def on_host(request: pytest.FixtureRequest, key: str) -> Callable[[Case], None]:
    async def over_ssh(case: Case) -> None:
        async with (
            server() as port,
            ssh.connect(account(port, key), hostkey.Verification(pinned=text(HOST_KEY))) as host,
        ):
            await case(host)

    async def here(case: Case) -> None:
        await case(hosts.Local())

    chosen = over_ssh if request.param == "ssh" else here
    return lambda case: asyncio.run(asyncio.wait_for(chosen(case), 60))


def account(port: int, key: str, user: str = "root") -> ssh.Account:
    return ssh.Account(host="127.0.0.1", port=port, user=user, key=key)


def test_arguments_arrive_as_they_are(on_host: Callable[[Case], None]) -> None:
    arguments = ["a b", "$(id)", "'", '"', "*", "\\", "", "-n", "é\nx", ";", "&&"]

    async def case(host: hosts.Host) -> None:
        result = await host.run(["printf", "%s\\0", *arguments])
        assert result.stdout.decode().split("\0")[:-1] == arguments

    on_host(case)


def test_input_arrives_whole_and_output_is_bytes(on_host: Callable[[Case], None]) -> None:
    data = os.urandom(3_000_000)

    async def case(host: hosts.Host) -> None:
        assert (await host.run(["cat"], stdin=data)).stdout == data

    on_host(case)


def test_a_failure_says_what_failed_and_its_last_words(on_host: Callable[[Case], None]) -> None:
    async def case(host: hosts.Host) -> None:
        assert (await host.run(["ls", "/nowhere"], check=False)).code == 2
        assert (await host.run(["no-such-command"], check=False)).code == 127
        with pytest.raises(hosts.CommandError) as caught:
            await host.run(["ls", "/nowhere"])
        assert "`ls /nowhere` failed with exit code 2" in caught.value.message
        assert "No such file" in caught.value.details[-1]

    on_host(case)


def test_a_command_that_hangs_is_given_up(on_host: Callable[[Case], None]) -> None:
    async def case(host: hosts.Host) -> None:
        with pytest.raises(NodeError, match=r"`sleep 5` did not end within 0 s"):
            await host.run(["sleep", "5"], timeout=0.2)

    on_host(case)


def test_the_language_does_not_depend_on_the_host(on_host: Callable[[Case], None]) -> None:
    async def case(host: hosts.Host) -> None:
        assert (await host.run(["printenv", "LC_ALL"])).text == "C\n"
        assert "/usr/sbin" in (await host.run(["printenv", "PATH"])).text

    on_host(case)


@pytest.mark.skipif(os.geteuid() != 0, reason="writes files as root")
def test_files_are_put_whole_and_appended_to(on_host: Callable[[Case], None], tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"

    async def case(host: hosts.Host) -> None:
        await hosts.put(host, b"one\n", str(path), mode=0o640)
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one\n", 0o640)
        await hosts.put(host, b"", str(path))
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"", 0o644)
        await asyncio.gather(*(hosts.append(host, f"{number}\n".encode(), str(path)) for number in range(8)))
        assert sorted(path.read_text().split()) == [str(number) for number in range(8)]
        assert [item.name for item in path.parent.iterdir()] == ["file"]

    on_host(case)


def test_many_commands_run_side_by_side(on_host: Callable[[Case], None]) -> None:
    async def case(host: hosts.Host) -> None:
        results = await asyncio.gather(*(host.run(["echo", str(number)]) for number in range(30)))
        assert [int(result.text) for result in results] == list(range(30))

    on_host(case)


def test_root_takes_sudo_only_where_it_must() -> None:
    plain = ["env", *hosts.ENVIRONMENT, "id"]
    assert hosts.command(["id"], root=False, sudo=True) == plain
    assert hosts.command(["id"], root=True, sudo=False) == plain
    assert hosts.command(["id"], root=True, sudo=True) == ["sudo", "-n", *plain]


def attempt(verification: hostkey.Verification, key: str, *, host_key: asyncssh.SSHKey = HOST_KEY) -> str:
    """Connect; the host key that was shown."""

    async def connect() -> str:
        async with server(host_key) as port, ssh.connect(account(port, key), verification) as host:
            return host.host_key

    return asyncio.run(asyncio.wait_for(connect(), 30))


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    path = tmp_path / "known_hosts"
    path.write_text(f"127.0.0.1 {text(HOST_KEY)}\n")
    return path


@pytest.mark.parametrize("accepted", [text(HOST_KEY), HOST_KEY.get_fingerprint()], ids=["key", "fingerprint"])
def test_a_key_that_was_named_is_taken_whatever_was_pinned(accepted: str, key: str) -> None:
    verification = hostkey.Verification(accepted=accepted, pinned=text(OTHER_KEY), known_hosts=())
    assert attempt(verification, key) == text(HOST_KEY)


@pytest.mark.parametrize("accepted", [text(OTHER_KEY), OTHER_KEY.get_fingerprint()], ids=["key", "fingerprint"])
def test_another_key_than_the_named_one_is_refused(accepted: str, key: str, known_hosts: Path) -> None:
    verification = hostkey.Verification(accepted=accepted, pinned=text(HOST_KEY), known_hosts=(known_hosts,))
    with pytest.raises(NodeError, match="IS NOT THE EXPECTED ONE"):
        attempt(verification, key)


def test_ssh_s_own_known_hosts_are_trusted(key: str, known_hosts: Path) -> None:
    assert attempt(hostkey.Verification(known_hosts=(known_hosts,)), key) == text(HOST_KEY)


def test_a_key_that_differs_from_known_hosts_or_the_pin_is_refused(key: str, known_hosts: Path) -> None:
    for verification in (hostkey.Verification(known_hosts=(known_hosts,)), hostkey.Verification(pinned=text(HOST_KEY))):
        with pytest.raises(NodeError, match="IS NOT THE EXPECTED ONE") as caught:
            attempt(verification, key, host_key=OTHER_KEY)
        assert f"shown:    ssh-ed25519 {OTHER_KEY.get_fingerprint()}" in caught.value.details


@pytest.mark.parametrize("content", [None, "", "127.0.0.1 broken\n", "other.example ssh-ed25519 AAAA\n"])
def test_a_host_that_nothing_is_known_of_is_not_trusted(content: str | None, key: str, tmp_path: Path) -> None:
    path = tmp_path / "known"
    if content is not None:
        path.write_text(content)
    with pytest.raises(hostkey.UnknownHostKey) as caught:
        attempt(hostkey.Verification(known_hosts=(path,)), key)
    assert hostkey.text(caught.value.key) == text(HOST_KEY)


def test_an_unknown_key_is_pinned_only_when_somebody_agrees() -> None:
    shown = HOST_KEY.convert_to_public()
    assert hostkey.approve(shown, host="web", confirm=lambda question: shown.get_fingerprint() in question) == text(
        shown
    )
    with pytest.raises(NodeError, match="was not accepted; nothing was changed"):
        hostkey.approve(shown, host="web", confirm=lambda _: False)
    with pytest.raises(NodeError, match="no terminal") as caught:
        hostkey.approve(shown, host="web", confirm=None)
    assert f"--host-key {shown.get_fingerprint()}" in caught.value.hint


def test_a_key_that_the_account_does_not_know_is_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "other"
    OTHER_KEY.write_private_key(str(path))
    with pytest.raises(NodeError, match=r"root@127\.0\.0\.1:\d+ does not accept the key") as caught:
        attempt(hostkey.Verification(pinned=text(HOST_KEY)), str(path))
    assert "--user" in caught.value.hint


def test_a_private_key_that_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("nothing")
    for name in ("missing", "broken"):
        with pytest.raises(NodeError, match=name):
            attempt(hostkey.Verification(pinned=text(HOST_KEY)), str(tmp_path / name))


def test_a_host_that_cannot_be_reached_is_told_in_words(key: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

    async def connect(host: str) -> None:
        async with ssh.connect(ssh.Account(host=host, port=port, user="root", key=key), hostkey.Verification()):
            pass

    with pytest.raises(NodeError, match=rf"127\.0\.0\.1:{port} cannot be reached: Connection refused"):
        asyncio.run(connect("127.0.0.1"))
    with pytest.raises(NodeError, match="its name is not known to DNS"):
        asyncio.run(connect("nowhere.invalid"))


def test_a_name_of_ssh_s_configuration_reaches_both_accounts(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host web\n  HostName 127.0.0.1\n")
    monkeypatch.setenv("HOME", str(tmp_path))

    async def both() -> None:
        async with server() as port:
            operator = ssh.Account(host="web", port=port, user="root", key=key)
            async with ssh.connect(operator, hostkey.Verification(pinned=text(HOST_KEY))) as host:
                assert host.host_key == text(HOST_KEY)
            node = registry.NodeEntry(name="web", host="web", port=port, subnet="10.66.1.0/24", host_key=text(HOST_KEY))
            async with drops.connect(node, drop_key=key, timeout=10) as connected:
                assert (await connected.read_status()).status is None

    asyncio.run(asyncio.wait_for(both(), 30))


def test_a_connection_that_breaks_is_told_in_words(key: str) -> None:
    async def case() -> None:
        listener = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Server, server_host_keys=[HOST_KEY], process_factory=hang_up, encoding=None
        )
        verification = hostkey.Verification(pinned=text(HOST_KEY))
        async with listener, ssh.connect(account(listener.get_port(), key), verification) as host:
            await host.run(["true"])

    def hang_up(process: asyncssh.SSHServerProcess[bytes]) -> None:
        process.channel.get_connection().abort()

    with pytest.raises(NodeError, match="the connection was lost during `true`") as caught:
        asyncio.run(asyncio.wait_for(case(), 30))
    assert "run the same command again" in caught.value.hint
