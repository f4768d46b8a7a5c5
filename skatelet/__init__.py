"""The node's side of skate: woken by systemd, makes the node what its bundle says, writes a status, goes away."""

__version__ = "0.1.0"
