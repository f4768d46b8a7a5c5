"""Names: this node's zone, the configuration of its CoreDNS, and how the host and the pods of the node ask it."""
