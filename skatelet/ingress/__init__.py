"""Ingress on the node: nginx, by the rules of the catalogue's Ingresses.

    Ingresses, Services, pods ─ rules ─▶ model ─ configuration ─▶ files ─ tree ─▶ nginx -t, rename, reload

`rules`, `backends`, `annotating`, `quoting` and `configuration` are pure. Nothing from a manifest gets into a file but through
`quoting`.
"""
