"""The reconciler of the routes between the nodes' subnets, with IP forwarding and the source addresses of pods.

    reconcile.py   one pass: whom the catalogue names, what the kernel says, what is to be done, what became of it
    resolving.py   peers that are registered by a name: found beside the pass, the last good answer remembered
    observe.py     what `ip`, `bridge` and `nft` print, as data (pure)
    plan.py        what should be there, what stands in the way, and the differences to what is there (pure)
    files.py       the same for skatelet-routes.service, which does it at boot, when skatelet has not run yet (pure)

Everything that is ours in the kernel is marked, so that nothing else is ever touched: routes carry the protocol number 83, the
VXLAN device is `skate-vx`, the table of nftables is `ip skate`.
"""
