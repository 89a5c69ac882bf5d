"""Apps and their installations, rate limits, webhooks and their deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lambdas.shared.json_values import is_object
from sandbox.standins.github import shapes
from sandbox.standins.github.calls import PAGING, Answer, Call, Operation
from sandbox.standins.github.hooks import hook_shape
from sandbox.standins.github.problems import invalid, not_found, not_implemented
from sandbox.standins.github.repository import node_id

if TYPE_CHECKING:
    from sandbox.standins.github.access import App
    from sandbox.standins.github.hooks import Delivery
    from sandbox.standins.github.repository import Hook

EVENTS: Final = frozenset({"push", "pull_request", "*"})


# --- apps ---


def _installation(call: Call, app: App) -> dict[str, Any]:
    place, url = app.installation, f"{call.state.api}/app/installations/{app.installation.id}"
    return {
        "id": place.id,
        "account": shapes.user(place.account, call.state.api),
        "repository_selection": "selected",
        "access_tokens_url": f"{url}/access_tokens",
        "repositories_url": f"{call.state.api}/installation/repositories",
        "app_id": app.id,
        "app_slug": app.slug,
        "target_id": place.account.id,
        "target_type": place.account.type,
        "permissions": dict(app.permissions) | {"metadata": "read"},
        "events": ["push", "pull_request"],
        "suspended_at": None,
    }


def _app(call: Call) -> App:
    assert call.caller.app is not None  # noqa: S101 - these routes are for apps only
    return call.caller.app


def _get_app(call: Call) -> dict[str, Any]:
    app = _app(call)
    return {
        "id": app.id,
        "slug": app.slug,
        "node_id": node_id("A", app.id),
        "owner": shapes.user(app.installation.account, call.state.api),
        "name": app.slug,
        "html_url": f"https://github.com/apps/{app.slug}",
        "permissions": dict(app.permissions) | {"metadata": "read"},
        "events": ["push", "pull_request"],
        "installations_count": 1,
    }


def _installations(call: Call) -> Answer:
    return call.listed([_app(call)], lambda app: _installation(call, app))


def _installed(call: Call) -> dict[str, Any]:
    """The app's installation on a repository."""
    name = f"{call.params['owner']}/{call.params['repo']}".lower()
    if name not in _app(call).installation.repositories:
        raise not_found()
    return _installation(call, _app(call))


def _access_token(call: Call) -> Answer:
    app = _app(call)
    if call.params["id"] != str(app.installation.id):
        raise not_found()
    return Answer(201, call.state.access.installation_token(app, call.body, call.now))


def _rate_limit(call: Call) -> dict[str, Any]:
    core = call.state.limits.state(call.caller, call.now)
    return {"resources": {"core": core}, "rate": core}


# --- webhooks ---


def _hooks(call: Call) -> Answer:
    return call.listed(list(call.repo.hooks.values()), lambda hook: hook_shape(call.repo, hook))


def _make_hook(call: Call) -> Answer:
    config = call.body.get("config")
    if not is_object(config) or not config.get("url"):
        raise invalid("Validation Failed", {"resource": "Hook", "code": "custom", "message": "url cannot be blank"})
    events = frozenset(call.body.get("events") or ["push"])
    if unknown := sorted(events - EVENTS):
        raise not_implemented(f"webhooks for {unknown[0]}")
    kind = config.get("content_type", "form")
    if kind not in {"json", "form"}:
        raise invalid("Validation Failed", {"resource": "Hook", "field": "content_type", "code": "invalid"})
    hook = call.state.add_hook(call.repo.full_name, config["url"], config.get("secret", ""), events, kind)
    made = hook_shape(call.repo, hook)
    return Answer(201, made, {"location": made["url"]})


def _hook(call: Call) -> Hook:
    found = {str(number): hook for number, hook in call.repo.hooks.items()}.get(call.params["id"])
    if found is None:
        raise not_found()
    return found


def _delete_hook(call: Call) -> Answer:
    del call.repo.hooks[_hook(call).id]
    return Answer(204)


def _deliveries(call: Call) -> Answer:
    return call.listed(call.state.deliveries.of(_hook(call).id), lambda delivery: delivery.to_json())


def _delivery(call: Call) -> Delivery:
    made = {str(each.id): each for each in call.state.deliveries.of(_hook(call).id)}
    if (found := made.get(call.params["delivery"])) is None:
        raise not_found()
    return found


def _one_delivery(call: Call) -> dict[str, Any]:
    found = _delivery(call)
    request: dict[str, Any] = {"headers": {}, "payload": found.payload}
    return {**found.to_json(), "url": found.hook.url, "request": request, "response": {"payload": found.response}}


def _redeliver(call: Call) -> Answer:
    call.state.deliveries.again(_delivery(call))
    return Answer(202, {})


_HOOKS: Final = "/repos/{owner}/{repo}/hooks"


def _hook_operation(method: Any, path: str, run: Any, **rest: Any) -> Operation:
    level = "read" if method == "GET" else "write"
    return Operation(method=method, path=path, run=run, permission="repository_hooks", level=level, **rest)


OPERATIONS: Final = (
    Operation(method="GET", path="/app", run=_get_app, by="app"),
    Operation(method="GET", path="/app/installations", run=_installations, by="app", query=PAGING),
    Operation(
        method="POST",
        path="/app/installations/{id}/access_tokens",
        run=_access_token,
        by="app",
        body=("repositories", "permissions"),
    ),
    Operation(method="GET", path="/repos/{owner}/{repo}/installation", run=_installed, by="app"),
    Operation(method="GET", path="/rate_limit", run=_rate_limit, by="anyone"),
    _hook_operation("GET", _HOOKS, _hooks, query=PAGING),
    _hook_operation("POST", _HOOKS, _make_hook, body=("name", "config", "events", "active")),
    _hook_operation("DELETE", f"{_HOOKS}/{{id}}", _delete_hook),
    _hook_operation("GET", f"{_HOOKS}/{{id}}/deliveries", _deliveries, query=PAGING),
    _hook_operation("GET", f"{_HOOKS}/{{id}}/deliveries/{{delivery}}", _one_delivery),
    _hook_operation("POST", f"{_HOOKS}/{{id}}/deliveries/{{delivery}}/attempts", _redeliver),
)
