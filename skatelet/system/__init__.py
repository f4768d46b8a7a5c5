"""Wrappers of what is foreign on the node: podman, systemd, the host itself. One module and one error type each."""
