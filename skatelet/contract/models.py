"""The base of every model of the contract: frozen, unknown fields tolerated, camelCase on the wire.

Unknown fields are ignored because a format may gain fields without becoming a new format; what would be misread by an
older reader raises the format version, and then the reader refuses (see bundle.check_format).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    # Each wake of skatelet pays for the models it uses, not for all there are.
    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )

    def to_data(self) -> dict[str, Any]:
        """Plain data, camelCase keys, without fields that are None or were left at an empty default."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
