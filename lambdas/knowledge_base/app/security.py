"""Who asks, and what a route works with: `CurrentUser` and `AppServices` are types of a route's parameters."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from lambdas.knowledge_base.accounts import User
from lambdas.knowledge_base.errors import UnauthorizedError
from lambdas.knowledge_base.services import Services

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The access token of POST /auth/login")


def services(request: Request) -> Services:
    """What the application was made with."""
    return request.app.state.services


AppServices = Annotated[Services, Depends(services)]


def current_user(
    made_with: AppServices, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> User:
    """Whose token came with the request.

    Raises:
        UnauthorizedError: none, or one that does not count.
    """
    if credentials is None:
        raise UnauthorizedError
    return made_with.accounts.user_of(credentials.credentials)


CurrentUser = Annotated[User, Depends(current_user)]
