"""Sealing Secrets to the cluster's key, before they enter the catalogue, and unsealing them for who has the private key.

    manifest (data, stringData) ─▶ payload ─▶ fingerprint known? keep the box : a new box ─▶ manifest with `sealed`

Sealing is not deterministic: the same data give another box each time, and another box would be another generation. So an
unchanged Secret keeps the box it has. That it is unchanged is told by a fingerprint that is keyed with the private key; who has
only the public key cannot tell, and seals anew each time.

Whoever has the catalogue sees a Secret's name, the names of its data, and roughly how long they are together.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skate import catalogue, registry
from skate.errors import ConfigError, SkateError
from skatelet.contract import bundle, sealed

if TYPE_CHECKING:  # reading the cluster must not pay for the models of manifests
    from skate import manifests

FETCH = "run `skate create node` again for a node of the cluster: it fetches the cluster's seal key from there"


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """The key pair of a cluster, 32 bytes each."""

    private: bytes
    public: bytes

    def __repr__(self) -> str:
        return f"KeyPair({sealed.key_id(self.public)})"


def generate() -> KeyPair:
    """A new key pair."""
    return pair_of(os.urandom(sealed.KEY_BYTES))


def pair_of(private: bytes) -> KeyPair:
    """The pair that belongs to a private key of 32 bytes."""
    from nacl import public

    return KeyPair(private=private, public=bytes(public.PrivateKey(private).public_key))


def load(path: Path) -> KeyPair | None:
    """The key pair whose private key lies at `path`; None where there is none. Raises ConfigError."""
    try:
        return pair_of(sealed.decode_key(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, sealed.DamagedError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"the seal key {path} cannot be read: {words}", hint=f"move it away; then {FETCH}") from error


def of_cluster(entry: registry.ClusterEntry) -> KeyPair | None:
    """The key pair of a cluster as this machine has it; None where it has none. Raises ConfigError."""
    return load(Path(entry.seal_key).expanduser()) if entry.seal_key else None


def save(pair: KeyPair, path: Path) -> None:
    """Write the private key to `path`, durably, readable by its owner only. Raises ConfigError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(sealed.encode_key(pair.private))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise ConfigError(f"the seal key {path} cannot be written: {error.strerror}") from error


def with_key(current: catalogue.Catalogue, pair: KeyPair | None) -> catalogue.Catalogue:
    """The catalogue with the public key that Secrets are sealed to, where it has none yet. What it has stays."""
    if current.cluster.seal_key or pair is None:
        return current
    text = base64.b64encode(pair.public).decode()
    return replace(current, cluster=current.cluster.model_copy(update={"seal_key": text}))


class Sealer:
    """Seals for one command: what it sealed once, it gives back again when the change is made anew after a conflict."""

    def __init__(self, pair: KeyPair | None) -> None:
        self._pair = pair
        self._made: dict[tuple[bytes, bytes], dict[str, Any]] = {}

    def sealed(
        self, applied: Iterable[manifests.Manifest], current: catalogue.Catalogue
    ) -> tuple[list[manifests.Manifest], list[str]]:
        """`applied` with every Secret in it sealed, and notes for the user.

        Raises SkateError for a Secret that is immutable and would change, and where there is no key, or another one than
        the cluster's.
        """
        found: list[manifests.Manifest] = []
        notes: list[str] = []
        refused: list[str] = []
        for manifest in applied:
            if manifest.kind == "Secret":
                known = current.objects.get(catalogue.key_of(manifest.data))
                before = known.manifest if known else None
                data = self.seal(manifest.data, before=before, cluster=current.cluster)
                refused += immutable_problems(before, data)
                if self._pair is None and before is not None:
                    notes.append(
                        f"secret {manifest.namespace}/{manifest.name} is sealed anew: this machine has no seal key to tell"
                        " whether it changed"
                    )
                manifest = replace(manifest, data=data)
            found.append(manifest)
        if refused:
            raise SkateError("nothing was changed: some Secrets are immutable", details=refused)
        return found, notes

    def seal(
        self, manifest: Mapping[str, Any], *, before: Mapping[str, Any] | None, cluster: bundle.Cluster
    ) -> dict[str, Any]:
        """The Secret `manifest` as it stands in the catalogue; with the box of `before` where nothing has changed."""
        public = self._public(cluster)
        metadata = manifest["metadata"]
        if manifest.get("sealed") is not None:
            return self._as_it_is(manifest, before, cluster)
        data = plain_data(manifest)
        payload = sealed.payload(metadata["namespace"], metadata["name"], data)
        kept = {name: value for name, value in manifest.items() if name not in ("data", "stringData")}
        part = self._kept(before, payload, public) or self._made.get((public, payload))
        if part is None:
            part = self._made[(public, payload)] = self._sealed(payload, public, sorted(data))
        return {**kept, "sealed": part}

    def _as_it_is(
        self, manifest: Mapping[str, Any], before: Mapping[str, Any] | None, cluster: bundle.Cluster
    ) -> dict[str, Any]:
        """A Secret that is sealed already, as `get -o yaml` shows it: the one that is there, or one that opens."""
        if before is None or before.get("sealed") != manifest["sealed"]:
            if self._pair is None:
                title = f"secret {manifest['metadata']['namespace']}/{manifest['metadata']['name']}"
                raise ConfigError(
                    f"{title} is sealed, and this machine has no seal key to see what it holds", hint=FETCH
                )
            unseal(manifest, self._pair, cluster)
        return dict(manifest)

    def _public(self, cluster: bundle.Cluster) -> bytes:
        if not cluster.seal_key:
            raise ConfigError(f"cluster {cluster.name} has no seal key, so Secrets cannot be sealed", hint=FETCH)
        try:
            public = sealed.decode_key(cluster.seal_key)
        except sealed.DamagedError as error:
            raise ConfigError(f"the public seal key of cluster {cluster.name} cannot be read: {error}") from error
        if self._pair is not None and self._pair.public != public:
            raise wrong_key(cluster, self._pair)
        return public

    def _kept(self, before: Mapping[str, Any] | None, payload: bytes, public: bytes) -> dict[str, Any] | None:
        try:
            known = sealed.of(before) if before else None
        except sealed.DamagedError:
            return None
        if known is None or self._pair is None or known.key != sealed.key_id(public):
            return None
        return known.to_data() if known.fingerprint == sealed.fingerprint(self._pair.private, payload) else None

    def _sealed(self, payload: bytes, public: bytes, names: list[str]) -> dict[str, Any]:
        from nacl import public as boxes

        box = boxes.SealedBox(boxes.PublicKey(public)).encrypt(payload)
        return sealed.Sealed(
            box=base64.b64encode(box).decode(),
            fingerprint=sealed.fingerprint(self._pair.private, payload) if self._pair else "",
            key=sealed.key_id(public),
            keys=names,
        ).to_data()


def wrong_key(cluster: bundle.Cluster, pair: KeyPair) -> ConfigError:
    """This machine's seal key is not the cluster's."""
    theirs = sealed.key_id(sealed.decode_key(cluster.seal_key))
    return ConfigError(
        f"this machine's seal key {sealed.key_id(pair.public)} is not that of cluster {cluster.name}, {theirs}",
        hint=f"`skate config view` names its file (sealKey): move it away; then {FETCH}",
    )


def plain_data(manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """The data of a Secret as its user wrote it; stringData wins over data, as in Kubernetes.

    https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data
    """
    encoded = manifest.get("data") or {}
    texts = manifest.get("stringData") or {}
    return {name: base64.b64decode("".join((value or "").split())) for name, value in encoded.items()} | {
        name: (value or "").encode(errors="surrogatepass") for name, value in texts.items()
    }


def unseal(manifest: Mapping[str, Any], pair: KeyPair, cluster: bundle.Cluster) -> dict[str, bytes]:
    """The data of a sealed Secret. Raises SkateError."""
    from nacl import exceptions, public

    metadata = manifest["metadata"]
    title = f"secret {metadata['namespace']}/{metadata['name']}"
    try:
        part = sealed.of(manifest)
        if part is None:
            raise sealed.DamagedError("it is not sealed")
        if part.key != sealed.key_id(pair.public):
            raise wrong_key(cluster, pair)
        payload = public.SealedBox(public.PrivateKey(pair.private)).decrypt(base64.b64decode(part.box, validate=True))
        return sealed.data_of(payload, namespace=metadata["namespace"], name=metadata["name"])
    except (exceptions.CryptoError, ValueError) as error:
        words = str(error) if isinstance(error, sealed.DamagedError) else "its box is damaged"
        raise SkateError(f"{title} cannot be unsealed: {words}", hint="apply it again") from None


def immutable_problems(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[str]:
    """What kubectl says about a change of an immutable Secret, and of a Secret's type."""
    if before is None:
        return []
    problems = []
    name = f'The Secret "{after["metadata"]["name"]}" is invalid'
    if before.get("immutable"):
        if not after.get("immutable"):
            problems.append(f"{name}: immutable: Forbidden: field is immutable when `immutable` is set")
        if before.get("sealed") != after.get("sealed"):
            problems.append(f"{name}: data: Forbidden: field is immutable when `immutable` is set")
    if (before.get("type") or "Opaque") != (after.get("type") or "Opaque"):
        problems.append(f"{name}: type: Invalid value: {str(after.get('type') or 'Opaque')!r}: field is immutable")
    return problems
