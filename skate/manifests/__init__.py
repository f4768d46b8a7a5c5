"""Kubernetes documents as users write them: read, judged, typed.

`load` takes what stands behind `-f` and gives manifests, or one ManifestError with every mistake in them; `parse` takes one
back out of the catalogue. Read `loading` first: it holds the way that a document takes through the other modules.
"""

from __future__ import annotations

from skate.manifests.loading import Loaded, Manifest, Source, Validate, load, parse

__all__ = ["Loaded", "Manifest", "Source", "Validate", "load", "parse"]
