"""What the two sides of skate agree on: the bundle, the status, the drop's layout, and canonical YAML.

The only part of skatelet that skate may import. Nothing here does I/O beyond bytes in memory.
"""
