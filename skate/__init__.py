"""The developer's side of skate: validate manifests, schedule them, drop a bundle for each node, read back."""

__version__ = "0.1.0"
