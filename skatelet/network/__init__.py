"""The reconciler of podman's network `skate`, which the instances of this node get their addresses in."""
