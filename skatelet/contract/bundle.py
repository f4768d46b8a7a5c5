"""The bundle: what one node should be at one generation, and a copy of the whole catalogue.

A bundle is a tree of canonical YAML files with an index. Over SFTP and in a local drop it travels as one tar:

    bundle.json                                       BundleIndex: who, which generation, sha256 of every other file
    instances/<namespace>/<name>.yaml                 Instance: one pod of this node
    catalogue/cluster.yaml                            Cluster
    catalogue/nodes/<name>.yaml                       Node: every registered node
    catalogue/objects/<kind>/<namespace>/<name>.yaml  CatalogueObject: every applied object, with its placements

Packing is canonical: equal trees give equal bytes. Unpacking trusts nothing: only regular files, only the paths above, bounded
size and count, every hash checked, before anything is returned. It works on bytes in memory, never on a file system, so
there is no link or path to follow.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field, ValidationError

from skatelet.contract import canonical
from skatelet.contract.models import Model

FORMAT = 1
OLDEST_READABLE_FORMAT = 1
INDEX = "bundle.json"
MAX_BYTES = 32 * 1024 * 1024
"""Upper bound of an archive and of all the files in it together."""
MAX_FILES = 20_000
_NAME = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
_OBJECTS = "catalogue/objects/"
_PATH = re.compile(
    rf"(?:instances/{_NAME}/{_NAME}\.yaml|catalogue/cluster\.yaml|catalogue/nodes/{_NAME}\.yaml"
    rf"|catalogue/objects/[a-z]+/(?:-|{_NAME})/{_NAME}\.yaml)"
)


class BundleError(ValueError):
    """A bundle that must not be applied. `reason` is one CamelCase word for the status, the message says the rest."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


UNREADABLE = (ValidationError, canonical.CanonicalError, KeyError)
"""What reading the objects of a bundle may raise; never after `unpack`."""


class BundleIndex(Model):
    """`bundle.json`."""

    format_version: int
    cluster: str
    node: str
    generation: int = Field(ge=1)
    parent: int = Field(ge=0)
    """The generation this one was scheduled upon; 0 for the first. A node that is past it has seen something the
    author of this bundle had not, and refuses."""
    time: str
    """RFC 3339, UTC. For people; nothing is ever ordered by it."""
    author: str = ""
    """Who published it, as user@host. For people."""
    tool_version: str
    files: dict[str, str]
    """sha256 in hex of every other file, by path."""


class Cluster(Model):
    """`catalogue/cluster.yaml`."""

    name: str
    cidr: str
    """The range that nodes' subnets are taken from, such as 10.66.0.0/16."""
    network: Literal["routes", "vxlan"] = "routes"
    """How nodes reach each other's subnets: static routes where they share a link, else VXLAN."""
    seal_key: str = ""
    """The public key that Secrets are sealed to, in base64; empty where the cluster has none yet."""


class Node(Model):
    """`catalogue/nodes/<name>.yaml`: one registered node, enough to rebuild a developer's registry."""

    name: str
    host: str = ""
    """The address skate reaches it by; empty for a local node."""
    port: int = 22
    peer_host: str = ""
    """The address the other nodes reach it by."""
    subnet: str
    """The /24 (or other prefix) its instances' addresses lie in."""
    host_key: str = ""
    """The pinned public host key, as `algorithm base64`."""
    labels: dict[str, str] = Field(default_factory=dict)
    unschedulable: bool = False


class NodeIdentity(Model):
    """`/etc/skate/node.yaml` on the node: who it is. Written when the node is created, changed only by `create node`."""

    cluster: str
    node: str
    subnet: str
    peer_host: str = ""


class Owner(Model):
    """The workload an instance belongs to; a Pod that was applied by itself is its own owner."""

    kind: str
    name: str


class Instance(Model):
    """`instances/<namespace>/<name>.yaml`: one pod on this node."""

    name: str
    namespace: str
    owner: Owner
    address: str = ""
    """Its IPv4 address in the node's subnet; empty with hostNetwork."""
    hash: str
    """sha256 in hex over the pod as desired: another hash is another pod."""
    pod: dict[str, Any]
    """The Kubernetes Pod, as the user wrote it (defaults left out), with name, namespace and labels in metadata."""


class Placement(Model):
    """Where one instance of a catalogue object stands."""

    instance: str
    node: str
    address: str = ""
    hash: str


class CatalogueObject(Model):
    """`catalogue/objects/<kind>/<namespace>/<name>.yaml`. The namespace of cluster-wide kinds is `-`."""

    manifest: dict[str, Any]
    """The Kubernetes document as the user wrote it, namespace filled in."""
    placements: list[Placement] = Field(default_factory=list)
    created: str = ""
    """RFC 3339, UTC: when it was first applied; ages are counted from it."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle in memory: the index, and every other file's bytes by path. What is read of it is read once."""

    index: BundleIndex
    files: Mapping[str, bytes] = field(default_factory=dict)

    def cluster(self) -> Cluster:
        return Cluster.model_validate(canonical.load(self.files["catalogue/cluster.yaml"]))

    def nodes(self) -> list[Node]:
        return [Node.model_validate(data) for data in self._read("catalogue/nodes/")]

    def objects(self) -> list[CatalogueObject]:
        return list(self._objects)

    def instances(self) -> list[Instance]:
        return list(self._instances)

    def objects_with(self, text: bytes) -> list[CatalogueObject]:
        """The objects in whose file `text` stands anywhere: to find a few of many without reading all."""
        if "_objects" in self.__dict__:
            paths = [path for path in sorted(self.files) if path.startswith(_OBJECTS)]
            return [item for path, item in zip(paths, self._objects, strict=True) if text in self.files[path]]
        return [CatalogueObject.model_validate(data) for data in self._read(_OBJECTS, text)]

    @functools.cached_property
    def _objects(self) -> tuple[CatalogueObject, ...]:
        return tuple(CatalogueObject.model_validate(data) for data in self._read(_OBJECTS))

    @functools.cached_property
    def _instances(self) -> tuple[Instance, ...]:
        return tuple(Instance.model_validate(data) for data in self._read("instances/"))

    def _read(self, prefix: str, text: bytes = b"") -> list[Any]:
        paths = [path for path in sorted(self.files) if path.startswith(prefix) and text in self.files[path]]
        return [canonical.load(self.files[path]) for path in paths]


def instance_path(instance: Instance) -> str:
    return f"instances/{instance.namespace}/{instance.name}.yaml"


def object_path(item: CatalogueObject) -> str:
    metadata = item.manifest["metadata"]
    kind = item.manifest["kind"].lower()
    return f"catalogue/objects/{kind}/{metadata.get('namespace', '-')}/{metadata['name']}.yaml"


def node_path(node: Node) -> str:
    return f"catalogue/nodes/{node.name}.yaml"


def catalogue_files(*, cluster: Cluster, nodes: list[Node], objects: list[CatalogueObject]) -> dict[str, bytes]:
    """The catalogue's files by path. Two catalogues are the same when these are equal."""
    files = {"catalogue/cluster.yaml": canonical.dump(cluster.to_data())}
    files |= {node_path(node): canonical.dump(node.to_data()) for node in nodes}
    files |= {object_path(item): canonical.dump(item.to_data()) for item in objects}
    return files


def build(
    *,
    catalogue: Mapping[str, bytes],
    instances: list[Instance],
    cluster: str,
    node: str,
    generation: int,
    parent: int,
    time: str,
    author: str,
    tool_version: str,
) -> Bundle:
    """The bundle of one node: `catalogue` (from catalogue_files) and the node's own `instances`.

    Raises ValueError for a name that no reader would accept in a path.
    """
    files = dict(catalogue)
    files |= {instance_path(item): canonical.dump(item.to_data()) for item in instances}
    foreign = [path for path in files if not _PATH.fullmatch(path)]
    if foreign:
        raise ValueError(f"{foreign[0]!r} is no path of a bundle")
    index = BundleIndex(
        format_version=FORMAT,
        cluster=cluster,
        node=node,
        generation=generation,
        parent=parent,
        time=time,
        author=author,
        tool_version=tool_version,
        files={path: hashlib.sha256(files[path]).hexdigest() for path in sorted(files)},
    )
    return Bundle(index=index, files=files)


def pack(bundle: Bundle) -> bytes:
    """The bundle as one tar: the index first, then the files by path; no times, owners or modes that vary."""
    buffer = io.BytesIO()
    index = json.dumps(bundle.index.to_data(), sort_keys=True, indent=1).encode() + b"\n"
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in [(INDEX, index), *sorted(bundle.files.items())]:
            member = tarfile.TarInfo(path)
            member.size = len(data)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def unpack(data: bytes) -> Bundle:
    """The bundle in `data`, every hash checked and every object readable. Raises BundleError, and nothing else."""
    bundle = unpack_known(data)
    try:
        bundle.cluster(), bundle.nodes(), bundle.objects(), bundle.instances()
    except UNREADABLE as error:
        raise BundleError("Malformed", f"the bundle's objects cannot be read: {_brief(error)}") from error
    return bundle


def unpack_known(data: bytes) -> Bundle:
    """As `unpack`, for bytes that went through it once and were kept: every hash is checked, but objects are read when asked for.

    Who reads them then has to expect UNREADABLE: the version that took the bundle in may have been another one.
    """
    if len(data) > MAX_BYTES:
        raise BundleError("TooLarge", f"the bundle has {len(data)} bytes, the limit is {MAX_BYTES}")
    contents = _read_members(data)
    raw_index = contents.pop(INDEX, None)
    if raw_index is None:
        raise BundleError("Truncated", f"the bundle has no {INDEX}: it was cut short, or is no bundle")
    index = _parse_index(raw_index)
    for path in sorted(set(index.files) | set(contents)):
        if path not in contents:
            raise BundleError("Truncated", f"{path} is in the index but not in the bundle")
        if path not in index.files:
            raise BundleError("Altered", f"{path} is in the bundle but not in the index")
        if hashlib.sha256(contents[path]).hexdigest() != index.files[path]:
            raise BundleError("Altered", f"{path} does not have the sha256 that the index says")
    return Bundle(index=index, files=contents)


def _read_members(data: bytes) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                if not member.isreg():
                    raise BundleError(
                        "Malformed", f"{member.name!r:.200} is not a regular file; only files are allowed"
                    )
                if member.name != INDEX and not _PATH.fullmatch(member.name):
                    raise BundleError("Malformed", f"{member.name!r:.200} is no path of a bundle")
                if member.name in contents:
                    raise BundleError("Malformed", f"{member.name} appears twice")
                total += member.size
                if total > MAX_BYTES or len(contents) >= MAX_FILES:
                    raise BundleError("TooLarge", f"more than {MAX_BYTES} bytes or {MAX_FILES} files")
                handle = archive.extractfile(member)
                contents[member.name] = handle.read() if handle else b""
    except BundleError:
        raise
    except Exception as error:  # tarfile raises a dozen types on hostile input: all of them mean the same here
        raise BundleError("Truncated", f"the bundle is no readable archive: {_brief(error)}") from error
    return contents


def _parse_index(raw: bytes) -> BundleIndex:
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BundleError("Malformed", f"{INDEX} is not JSON: {_brief(error)}") from error
    check_format(data)
    try:
        return BundleIndex.model_validate(data)
    except ValidationError as error:
        raise BundleError("Malformed", f"{INDEX} cannot be read: {_brief(error)}") from error


def check_format(data: Any) -> None:
    """Raise BundleError unless `data` (a parsed index) is of a format that this version reads."""
    version = data.get("formatVersion") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise BundleError("Malformed", f"{INDEX} has no formatVersion")
    if version > FORMAT:
        raise BundleError(
            "NewerFormat",
            f"the bundle has format {version}, this version reads up to {FORMAT}: upgrade skatelet on this node"
            " (skate create node again, with the newer .deb)",
        )
    if version < OLDEST_READABLE_FORMAT:
        raise BundleError(
            "OlderFormat",
            f"the bundle has format {version}, this version reads {OLDEST_READABLE_FORMAT} and up",
        )


def _brief(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
