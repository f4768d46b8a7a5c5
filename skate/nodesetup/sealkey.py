"""The key that Secrets are sealed to: one a cluster, made here with the cluster, and written to each of its nodes.

A machine that joins a cluster of others has no key yet, or one that nothing was sealed to: it takes over the one that it finds on
a node. It never takes one node's word against a key that is in use.
"""

from __future__ import annotations

from pathlib import Path

from skate import registry, sealing
from skate.errors import NodeError
from skatelet.contract import bundle, sealed


def ensure(content: registry.Registry, cluster: str, *, registry_path: Path) -> None:
    """See that a cluster without nodes has a key pair. Call it inside registry.edit, which it changes."""
    entry = content.require(cluster)
    path = _path(entry, registry_path)
    if not entry.nodes and sealing.load(path) is None:
        sealing.save(sealing.generate(), path)
    if path.exists():
        entry.seal_key = str(path)


def settle(
    registry_path: Path, cluster: str, *, host: str, identity: bundle.NodeIdentity | None, found: bytes
) -> bytes:
    """What the seal key's file on a host has to hold, where it holds `found` (empty: there is none).

    Takes the host's key over where it is a node of the cluster already, and this machine has no key that is in use. Raises
    NodeError where the two differ, and where a new node would get a key that the cluster's Secrets are not sealed to.
    """
    member = identity is not None and identity.cluster == cluster
    theirs = _pair(found, host) if found and member else None
    with registry.edit(registry_path) as content:
        ensure(content, cluster, registry_path=registry_path)
        entry = content.require(cluster)
        path = _path(entry, registry_path)
        ours = sealing.load(path)
        if theirs is not None and ours != theirs:
            if ours is not None and entry.nodes:
                raise NodeError(
                    f"{host} has the seal key {sealed.key_id(theirs.public)}, this machine {sealed.key_id(ours.public)}",
                    hint=f"if the host's is right, move {path} away and run the same command again",
                )
            sealing.save(theirs, path)
            ours = theirs
        if ours is None:
            if not member:
                raise NodeError(
                    f"this machine does not have the seal key of cluster {cluster}, so {host} could read no Secret",
                    hint="run `skate create node` again for a node that the cluster has already: it fetches the key from there",
                )
            ours = sealing.generate()
            sealing.save(ours, path)
        entry.seal_key = str(path)
        return sealed.encode_key(ours.private)


def _pair(found: bytes, host: str) -> sealing.KeyPair:
    try:
        return sealing.pair_of(sealed.decode_key(found))
    except sealed.DamagedError as error:
        raise NodeError(
            f"{host}: {sealed.KEY_FILE} cannot be read: {error}",
            hint="remove the file there and run the same command again: it is written anew",
        ) from error


def _path(entry: registry.ClusterEntry, registry_path: Path) -> Path:
    if entry.seal_key:
        return Path(entry.seal_key).expanduser()
    return registry_path.absolute().parent / "keys" / f"{entry.name}.seal"
