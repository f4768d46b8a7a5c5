"""A catalogue that a node has made up is refused, or can be shown: nothing in it ends a reader."""

from __future__ import annotations

import contextlib
import copy
import datetime
from typing import Any

import hypothesis
from hypothesis import strategies

from skate import catalogue, conflicts, descriptions, exposure, objects, printers, readable
from skate.errors import ManifestError, SkateError
from skatelet.contract import bundle
from tests.properties import test_manifests

NOW = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.UTC)
COLLECT = {
    "Service": exposure.services,
    "Ingress": exposure.ingresses,
    "Secret": exposure.secrets,
    "ClusterIssuer": exposure.cluster_issuers,
}
SEALED = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "default"},
    "sealed": {"key": "k", "fingerprint": "f", "box": "BOX", "keys": ["a", "b"]},
}
NETWORK = [data for data in test_manifests.VALID if data["kind"] in COLLECT and data["kind"] != "Secret"] + [SEALED]


@strategies.composite
def made_up(draw: strategies.DrawFn) -> Any:
    """An object of a catalogue with something in it replaced or left out, below what makes the file's name."""
    data = copy.deepcopy(draw(strategies.sampled_from(NETWORK)))
    fixed = {("metadata", "name"), ("metadata", "namespace"), ("kind",), ("metadata",)}
    *parents, last = draw(strategies.sampled_from([path for path in test_manifests.places(data) if path not in fixed]))
    parent = data
    for key in parents:
        parent = parent[key]
    if draw(strategies.booleans()):
        parent[last] = draw(test_manifests.anything)
    else:
        del parent[last]
    return data


@hypothesis.settings(max_examples=500, deadline=None)
@hypothesis.given(made_up())
def test_what_a_lying_node_gives_back_is_refused_or_shown(data: dict[str, Any]) -> None:
    try:
        readable.check(data)
    except (SkateError, LookupError, TypeError, AttributeError, ValueError):
        return
    entry = bundle.CatalogueObject(manifest=data, created="2030-01-01T00:00:00Z")
    content = catalogue.Catalogue(
        cluster=bundle.Cluster(name="test", cidr="10.66.0.0/16"), nodes={}, objects={catalogue.key_of(data): entry}
    )
    seen = objects.Seen(catalogue=content)
    (item,) = COLLECT[data["kind"]](seen)
    for wide in (False, True):
        printers.print_objects(data["kind"], [item], wide=wide, namespaces=False, labels=True, headers=True, now=NOW)
    assert "BOX" not in descriptions.describe(item, seen, NOW)
    with contextlib.suppress(ManifestError):
        conflicts.check(content, [catalogue.key_of(data)])
