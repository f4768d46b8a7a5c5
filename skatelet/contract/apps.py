"""The app of a pod: by which label it is called, and how that stands in DNS. Both sides go by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LABELS = ("app", "app.kubernetes.io/name", "name")
"""Which label names a pod's app: the first of these that it has."""
_DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


def label(labels: Mapping[str, Any]) -> str:
    """The label that names the app; empty where there is none."""
    return next((name for name in LABELS if labels.get(name)), "")


def app_of(labels: Mapping[str, Any]) -> str:
    """The app's name as it stands in DNS; empty where no label gives one, or none that can stand there."""
    text = str(labels.get(label(labels)) or "").lower()
    return text if _DNS_LABEL.fullmatch(text) else ""
