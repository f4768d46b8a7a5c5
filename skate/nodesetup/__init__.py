"""How a cluster comes to be, and how a host becomes one of its nodes.

`cluster.create_cluster` only writes the registry. `node.create_node` works on a host, in three steps that are the same as a
reconciler's: `facts` reads the host (one batch of commands), `plan` says what is missing (pure), `node` does it, looks again
through the drop, and registers the node. So a run that was cut short anywhere is finished by the next, and a run on a node
that is complete changes nothing.

    arguments.py   what may be asked for: names, subnets, what contradicts the registry (pure)
    hostkey.py     whether the host is the one it was, or may be trusted for the first time
    hosts.py       running commands on a host: over SSH, or on this machine
    facts.py       what the host is and has; is it fit to be a node
    package.py     which skatelet .deb goes onto it, and putting it there
    plan.py        what of identity, key, package and units is missing (pure)
    node.py        all of it in order
"""
