"""The HTTPS address of a function itself: its config keys and their rule, the URL on the alias, and who may call it.

Owns the way in. There is no throttling and no access log in front of it: an API (`http_trigger.py`) has both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions
from pydantic import AfterValidator

from components.fields import key
from components.origins import origins
from components.section import Rule, Section

if TYPE_CHECKING:
    from components.function import LambdaFunction


def url_has_a_reason(url: FunctionUrlKeys) -> str | None:
    """A public address is a decision that somebody has written down."""
    if url.auth != "NONE" or url.reason.strip():
        return None
    return (
        "is NONE without a reason: anyone on the internet could invoke the function, as often as they like and at your "
        "cost. Use AWS_IAM, or say in `reason` why it has to be public and what protects it."
    )


class FunctionUrlKeys(Section):
    """An HTTPS address of the function itself, without an API in front: no throttling, no access log."""

    rules: ClassVar[tuple[Rule, ...]] = (Rule(("auth", "reason"), url_has_a_reason),)

    auth: Literal["AWS_IAM", "NONE"] = key("`AWS_IAM` wants signed requests; `NONE` lets the whole internet call.")
    reason: str = key("Why `NONE` is right here; it is refused without.", default="")
    cors_origins: Annotated[list[str], AfterValidator(origins)] = key(
        "Origins of web pages that may call; `*` is refused.", default=list
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionUrlArgs:
    """A function, and who may call it."""

    function: LambdaFunction
    keys: FunctionUrlKeys

    def __post_init__(self) -> None:
        self.keys.check("function_url", self.function)


class FunctionUrl(pulumi.ComponentResource):
    """The URL of a function's alias."""

    def __init__(self, name: str, args: FunctionUrlArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:FunctionUrl", name, None, opts)
        child = ResourceOptions(parent=self)
        function, keys = args.function, args.keys
        self.url = aws.lambda_.FunctionUrl(
            f"{name}-url",
            function_name=function.function.name,
            qualifier=function.alias.name,
            authorization_type=keys.auth,
            cors=_cors(keys.cors_origins),
            opts=child,
        )
        if keys.auth == "NONE":
            self._admit_everybody(name, function, child)
        function.add_outputs({"function_url": self.url.function_url})
        self.register_outputs({"function_url": self.url.function_url})

    def _admit_everybody(self, name: str, function: LambdaFunction, opts: ResourceOptions) -> None:
        """Since October 2025 a public URL needs both: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html."""
        aws.lambda_.Permission(
            f"{name}-url-permission",
            action="lambda:InvokeFunctionUrl",
            function=function.function.name,
            qualifier=function.alias.name,
            principal="*",
            function_url_auth_type="NONE",
            opts=opts,
        )
        aws.lambda_.Permission(
            f"{name}-url-invoke-permission",
            action="lambda:InvokeFunction",
            function=function.function.name,
            qualifier=function.alias.name,
            principal="*",
            invoked_via_function_url=True,
            opts=opts,
        )


def _cors(origins: list[str]) -> aws.lambda_.FunctionUrlCorsArgs | None:
    if not origins:
        return None
    return aws.lambda_.FunctionUrlCorsArgs(
        allow_origins=origins, allow_methods=["*"], allow_headers=["authorization", "content-type"], max_age=3_600
    )
