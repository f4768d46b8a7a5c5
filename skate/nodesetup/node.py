"""Making a host a node: look, say what is missing, do it, look again through the drop, register.

    resolve ─▶ connect, judge the host key ─▶ observe ─▶ fit? ─▶ reserve subnet ─▶ plan ─▶ steps ─▶ drop answers ─▶ register

Every step is checked before it is taken, and the node becomes a member only when its drop answers with a status. So
interrupting this anywhere is harmless: run again, it goes on where it stopped; run on a complete node, it changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from skate import drops, registry
from skate.errors import NodeError
from skate.nodesetup import facts, hosts, membership, package, plan, sealkey
from skate.nodesetup.request import NodeRequest
from skatelet.contract import bundle, canonical, drop, sealed, status

__all__ = ["NodeRequest", "create_node"]

DROP_TIMEOUT = 15.0
STATUS_TIMEOUT = 60.0
_POLL = 0.2


def create_node(
    request: NodeRequest,
    *,
    registry_path: Path,
    progress: Callable[[str], None],
    confirm: Callable[[str], bool] | None = None,
) -> bool:
    """Make the host of `request` a node of its cluster. False: it was complete, nothing was changed anywhere.

    `progress` is told each step; `confirm` is asked about an unknown host key (None: there is nobody to ask). May be called
    for several nodes at once from several threads. Raises ConfigError for arguments that will not do, NodeError for a host
    that is not fit, cannot be reached, or fails at a step.
    """
    cluster = registry.load(registry_path).require(request.cluster)
    entry = membership.resolve(request, cluster)
    work = _Work(
        cluster=cluster.name,
        entry=entry,
        registry_path=registry_path,
        deb=package.read(request.deb, explicit=True) if request.deb else None,
        progress=progress,
    )
    if entry.local:
        return asyncio.run(_set_up(work, hosts.Local()))
    return _over_ssh(work, accepted=request.accept_host_key, confirm=confirm)


@dataclass(frozen=True, kw_only=True)
class _Work:
    cluster: str
    entry: registry.NodeEntry
    registry_path: Path
    deb: package.Package | None
    progress: Callable[[str], None]


def _over_ssh(work: _Work, *, accepted: str, confirm: Callable[[str], bool] | None) -> bool:
    from skate.nodesetup import hostkey, ssh

    entry = work.entry
    account = ssh.Account(host=entry.host, port=entry.port, user=entry.user, key=entry.key)

    async def attempt(verification: hostkey.Verification) -> bool:
        work.progress(f"connecting to {account.user}@{account}")
        async with ssh.connect(account, verification) as host:
            if host.host_key != entry.host_key:
                work.progress(f"pinning its host key {hostkey.describe(hostkey.parse(host.host_key))}")
            pinned = entry.model_copy(update={"host_key": host.host_key})
            return await _set_up(replace(work, entry=pinned), host)

    try:
        return asyncio.run(attempt(hostkey.Verification(pinned=entry.host_key, accepted=accepted)))
    except hostkey.UnknownHostKey as unknown:
        # Asked outside of the event loop and with no connection open: people take their time, and Ctrl-C must work.
        key = hostkey.approve(unknown.key, host=str(account), confirm=confirm)
    return asyncio.run(attempt(hostkey.Verification(accepted=key)))


async def _set_up(work: _Work, host: hosts.Host) -> bool:
    work.progress("checking the host")
    observed = await facts.observe(host)
    problems = facts.problems(observed)
    if problems:
        raise NodeError(
            f"{host.name} cannot be a node", details=problems, hint="mend this, and run the same command again"
        )
    chosen = await _choose_package(work, host, observed)
    entry, key = membership.reserve(
        work.entry, cluster=work.cluster, registry_path=work.registry_path, observed=observed
    )
    desired = plan.Desired(
        identity=bundle.NodeIdentity(
            cluster=work.cluster, node=entry.name, subnet=entry.subnet, peer_host=entry.peer_host
        ),
        package=chosen[0],
        coredns=package.companion(chosen[0]),
        keep_installed=chosen[1],
        key_line=_key_line(key) if key else "",
        seal_key=sealkey.settle(
            work.registry_path, work.cluster, host=host.name, identity=observed.identity, found=observed.seal_key
        ),
    )
    steps = plan.plan(desired, observed)
    if steps:
        for warning in facts.warnings(observed):
            work.progress(f"warning: {warning}")
    for step in steps:
        await _take(step, work, host, desired, observed)
    if plan.Step.IDENTITY in steps:
        # A skatelet that is awake just now, woken by its timer as it was installed, has read who it was before.
        await host.run(["systemctl", "try-restart", "skatelet.service"], root=True, check=False, timeout=120)
    await _await_status(work, host, entry, key, changed=bool(steps))
    return _register(work, entry) or bool(steps)


def _key_line(key: Path) -> str:
    from skate.nodesetup import dropkey

    return dropkey.line(key)


async def _choose_package(work: _Work, host: hosts.Host, observed: facts.Facts) -> tuple[package.Package, bool]:
    """The package, and whether the one that is installed is to stay because it is newer."""
    chosen = work.deb or package.find(observed.architecture)
    if chosen.architecture != observed.architecture:
        raise NodeError(
            f"{chosen.path} is for {chosen.architecture}, but {host.name} is {observed.architecture}",
            hint="leave --deb out, or name the package for that architecture",
        )
    if observed.package_state != "installed" or chosen.explicit or observed.package_version == chosen.version:
        return chosen, False
    newer = await package.is_newer(host, observed.package_version, chosen.version)
    if newer:
        work.progress(f"skatelet {observed.package_version} there is newer than {chosen.version} here: it stays")
    return chosen, newer


async def _take(step: plan.Step, work: _Work, host: hosts.Host, desired: plan.Desired, observed: facts.Facts) -> None:
    match step:
        case plan.Step.MEND:
            work.progress("finishing an interrupted installation")
            await package.mend(host)
        case plan.Step.NGINX:
            work.progress("installing nginx")
            await package.install_nginx(host)
        case plan.Step.PACKAGE:
            packages = plan.missing(desired, observed)
            work.progress(f"installing {' and '.join(f'{one.name} {one.version}' for one in packages)}")
            await package.install(host, packages)
        case plan.Step.IDENTITY:
            work.progress(f"writing its identity: {desired.identity.node}, subnet {desired.identity.subnet}")
            await hosts.put(host, canonical.dump(desired.identity.to_data()), drop.NODE_CONFIG)
        case plan.Step.KEY:
            work.progress("letting the drop key in")
            start = "\n" if observed.authorized_keys and not observed.authorized_keys.endswith(b"\n") else ""
            await hosts.append(host, f"{start}{desired.key_line}\n".encode(), drop.AUTHORIZED_KEYS)
        case plan.Step.SEAL_KEY:
            work.progress("writing the key that Secrets are unsealed with")
            await hosts.put(host, desired.seal_key, sealed.KEY_FILE, mode=0o600)
        case plan.Step.UNITS:
            work.progress("enabling skatelet")
            await host.run(["systemctl", "enable", "--now", *facts.UNITS], root=True)


async def _await_status(
    work: _Work, host: hosts.Host, entry: registry.NodeEntry, key: Path | None, *, changed: bool
) -> None:
    """Look through the drop, as every deploy will, until the node says there who it is; wake skatelet when it has not."""
    work.progress("looking through the drop")
    try:
        async with drops.connect(entry, drop_key=str(key or ""), timeout=DROP_TIMEOUT) as connected:
            reading = await connected.read_all()
            if not changed and _speaks_for(reading.status, work.cluster, entry):
                return
            work.progress("waiting for its first status")
            await _wake(host)
            loop = asyncio.get_running_loop()
            deadline = loop.time() + STATUS_TIMEOUT
            while not _speaks_for(reading.status, work.cluster, entry):
                if loop.time() > deadline:
                    raise NodeError(
                        f"{host.name}: skatelet has written no status within {STATUS_TIMEOUT:.0f} s",
                        hint="see `journalctl -u skatelet` there",
                    )
                await asyncio.sleep(_POLL)
                reading = await connected.read_status()
    except NodeError as error:
        if not error.hint and not entry.local:
            error.hint = await _drop_hint(host)
        raise


async def _wake(host: hosts.Host) -> None:
    started = await host.run(["systemctl", "start", "skatelet.service"], root=True, check=False, timeout=120)
    if started.code != 0:
        journal = await host.run(
            ["journalctl", "-u", "skatelet.service", "-n", "10", "--no-pager", "-o", "cat"], root=True, check=False
        )
        raise NodeError(
            f"{host.name}: skatelet does not start",
            details=journal.text.splitlines() or started.stderr.decode(errors="replace").splitlines(),
            hint="see `systemctl status skatelet` there",
        )


async def _drop_hint(host: hosts.Host) -> str:
    """What of sshd's configuration keeps the drop account out, as sshd itself says."""
    spec = f"user={drop.ACCOUNT},host=localhost,addr=127.0.0.1"
    shown = await host.run(["sshd", "-T", "-C", spec], root=True, check=False)
    settings: dict[str, str] = {}
    for line in shown.text.splitlines():
        word, _, value = line.partition(" ")
        settings[word] = f"{settings[word]} {value}" if word in settings else value
    if shown.code != 0:
        return f"sshd's configuration there is broken: {shown.stderr.decode(errors='replace').strip()[:200]}"
    if settings.get("chrootdirectory", "none") != drop.ROOT:
        return "sshd there does not read /etc/ssh/sshd_config.d: add `Include /etc/ssh/sshd_config.d/*.conf` to sshd_config"
    for word in ("allowusers", "allowgroups", "denyusers", "denygroups"):
        if word in settings:
            return f"sshd there has {word} {settings[word]}: the account {drop.ACCOUNT} has to be let in"
    return f"try `systemctl reload ssh` on {host.name}, and run the same command again"


def _speaks_for(data: bytes | None, cluster: str, entry: registry.NodeEntry) -> bool:
    """Whether a status is that of the node as it is to be: deploys take the address that other nodes reach it by from there."""
    if data is None:
        return False
    try:
        seen = status.Status.model_validate_json(data)
    except ValidationError:
        return False
    addresses = (*seen.info.addresses, "")
    return (seen.cluster, seen.node) == (cluster, entry.name) and entry.peer_host in ("", addresses[0])


def _register(work: _Work, entry: registry.NodeEntry) -> bool:
    """Make the node a member. False: it was one, just so."""
    with registry.edit(work.registry_path) as content:
        cluster = content.require(work.cluster)
        if cluster.node(entry.name) == entry:
            return False
        work.progress(f"registering node {entry.name} in cluster {cluster.name}")
        cluster.put_node(entry)
        return True
