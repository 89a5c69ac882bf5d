"""What the bodies of requests and answers have in common."""

from pydantic import BaseModel, ConfigDict


class Request(BaseModel):
    """What is sent: exactly what a route takes, and nothing is turned into what it is not."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Answer(BaseModel):
    """What is answered: every key is always there."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_serialization_defaults_required=True)
