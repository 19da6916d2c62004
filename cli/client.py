"""The deployment's API, as the commands use it: answers are plain JSON values, everything else a CommandError."""

import functools
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import requests

from cli.errors import CommandError, Refused
from cli.problems import sentences
from settings import Settings, load_settings

#: seconds to connect, and to wait for an answer
TIMEOUTS_S = (3.0, 30.0)


class Client:
    def __init__(self, url: str, key: str | None) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment has no business between us and loopback
        if key is not None:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def get(self, path: str, **parameters: Any) -> Any:
        wanted = {name: value for name, value in parameters.items() if value not in (None, "")}
        return self._call("GET", path, params=wanted)

    def post(self, path: str, body: Mapping[str, Any] | bytes) -> Any:
        """``body`` as bytes goes out as it is: its numbers keep their literal digits."""
        if isinstance(body, bytes):
            return self._call("POST", path, data=body, headers={"Content-Type": "application/json"})
        return self._call("POST", path, json=dict(body))

    def patch(self, path: str, body: Mapping[str, Any], *, if_match: int | None = None) -> Any:
        """``if_match``: the version that the caller has seen."""
        headers = {} if if_match is None else {"If-Match": f'"{if_match}"'}
        return self._call("PATCH", path, json=dict(body), headers=headers)

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path)

    def order(self, name: str, account: str) -> Any:
        """An order by our id or by its client order id. Raises Refused with status 404."""
        return self.get(self.order_path(name, account))

    @functools.cache  # noqa: B019 - a client lives as long as its command
    def order_path(self, name: str, account: str) -> str:
        """The address of an order that the operator named by either of its ids."""
        if not name.startswith("client:"):
            path = f"/v1/orders/{quote(name, safe='')}"
            try:
                self.get(f"{path}/status")
            except Refused as error:
                if error.status not in (404, 422):
                    raise
            else:
                return path
        return f"/v1/orders/client:{quote(name.removeprefix('client:'), safe=':')}?account={quote(account, safe='')}"

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._session.request(
                method, self.url + path, timeout=TIMEOUTS_S, allow_redirects=False, **options
            )
        except requests.ConnectionError:
            raise CommandError(
                f"No API answers at {self.url}. Start it with `steadfill up`, or correct STEADFILL_API_HOST and STEADFILL_API_PORT."
            ) from None
        except requests.Timeout:
            raise CommandError(
                f"The API at {self.url} did not answer within {TIMEOUTS_S[1]:.0f} s. Whether it took the request is not known: "
                "look with `steadfill order list`; the same request with the same client order id may be sent again."
            ) from None
        except requests.RequestException as error:
            raise CommandError(
                f"The request to {self.url} failed: {type(error).__name__}. `steadfill doctor` looks closer."
            ) from None
        return _content(answer, self.url)


def _content(answer: requests.Response, url: str) -> Any:
    try:
        content = answer.json() if answer.content else {}
    except ValueError:
        content = None
    if answer.ok and content is not None:
        return content
    if isinstance(content, dict):
        raise Refused(sentences(content, answer.status_code), status=answer.status_code, problem=content)
    raise CommandError(
        f"What answers at {url} is no Steadfill API: status {answer.status_code}, no JSON. Check STEADFILL_API_PORT."
    )


def connect(settings: Settings | None = None) -> Client:
    """A client for the configured deployment. The venues' keys are not needed for that, and not read."""
    settings = settings or load_settings(venue_secrets=False)
    key = settings.api_keys[0].get_secret_value() if settings.api_keys else None
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)  # noqa: S104
    return Client(f"http://{f'[{host}]' if ':' in host else host}:{settings.api_port}", key)
