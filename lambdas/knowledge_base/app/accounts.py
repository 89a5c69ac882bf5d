"""Routes /auth: accounts, and the tokens that stand for them."""

import unicodedata
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, Field, SecretStr, model_validator

from lambdas.knowledge_base.accounts import Pair, addresses
from lambdas.knowledge_base.accounts.families import MOST_CHARACTERS
from lambdas.knowledge_base.accounts.passwords import LENGTHS
from lambdas.knowledge_base.app import schemas
from lambdas.knowledge_base.app.responses import errors
from lambdas.knowledge_base.app.security import AppServices

router = APIRouter(prefix="/auth", tags=["accounts"])

Email = Annotated[
    str,
    Field(max_length=2 * addresses.MOST_CHARACTERS),
    AfterValidator(addresses.normal),
    Field(examples=["a@example.org"]),
]


class Registration(schemas.Request):
    """A new account."""

    email: Email
    password: Annotated[SecretStr, Field(min_length=LENGTHS[0], max_length=LENGTHS[1])]

    @model_validator(mode="after")
    def _not_the_address(self) -> Self:
        password = unicodedata.normalize("NFKC", self.password.get_secret_value()).strip().casefold()
        if password == self.email:
            raise ValueError("the password has to be another text than the address")
        return self


class Registered(schemas.Answer):
    """The answer, also where the address is taken: nobody learns who has an account."""

    user_id: str


class Login(schemas.Request):
    """Who signs in."""

    email: Email
    password: Annotated[SecretStr, Field(max_length=LENGTHS[1])]


class TokenRequest(schemas.Request):
    """A refresh token."""

    refresh_token: Annotated[SecretStr, Field(max_length=MOST_CHARACTERS)]


class TokenPair(schemas.Answer):
    """What somebody gets who has signed in."""

    access_token: str
    """For the header `Authorization: Bearer …`."""
    refresh_token: str
    """For the next pair, once. One that was used before ends all that came from the same sign-in."""
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a name
    expires_in: int
    """Seconds, of the access token."""


@router.post("/register", status_code=201, summary="Make an account", responses=errors(403))
def register(asked: Registration, services: AppServices) -> Registered:
    """Make an account; a taken address is answered in the same way."""
    return Registered(user_id=services.accounts.register(asked.email, asked.password.get_secret_value()))


@router.post("/login", summary="Sign in")
def login(asked: Login, request: Request, services: AppServices) -> TokenPair:
    """Sign in. After ten failures within 15 minutes, for one account or from one network address: 429."""
    source = request.client.host if request.client else ""
    return _shown(services.accounts.login(asked.email, asked.password.get_secret_value(), source))


@router.post("/refresh", summary="Get the next pair of tokens")
def refresh(asked: TokenRequest, services: AppServices) -> TokenPair:
    """Use a refresh token, which counts once. Have one request of this kind at a time."""
    return _shown(services.accounts.refresh(asked.refresh_token.get_secret_value()))


@router.post("/logout", status_code=204, summary="Sign out", response_class=Response)
def logout(asked: TokenRequest, services: AppServices) -> None:
    """End what came from a sign-in. Access tokens end by themselves, within 15 minutes."""
    services.accounts.logout(asked.refresh_token.get_secret_value())


def _shown(pair: Pair) -> TokenPair:
    return TokenPair(access_token=pair.access_token, refresh_token=pair.refresh_token, expires_in=pair.expires_in)
