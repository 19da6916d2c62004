"""JSON over HTTP for the demo: to its API like any client, to its venue's admin side."""

from typing import Any

import requests

#: seconds to connect and to answer; a request that fails is sent again, which is harmless
TIMEOUTS_S = (2.0, 10.0)


class Http:
    """Calls come from several threads; a session is made for each call's thread by requests' own pool."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=16))

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any, bool]:
        """(status, JSON, replayed). Raises requests.RequestException where no answer came."""
        answer = self._session.request(method, self._url + path, json=body, timeout=TIMEOUTS_S)
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = {}
        return answer.status_code, content, "Idempotency-Replayed" in answer.headers

    def get(self, path: str) -> Any:
        status, content, _ = self.call("GET", path)
        if status != requests.codes.ok:
            raise requests.HTTPError(f"GET {path} was answered with status {status}: {content}")
        return content

    def close(self) -> None:
        self._session.close()
