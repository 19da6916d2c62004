"""The code and the words of a venue in its reply, from where it puts them."""

import json

from exchanges.retry_after import MAX_RETRY_AFTER_S
from exchanges.venue_codes import venue_codes


def reply_error(body: object, ccxt_id: str) -> tuple[str, str]:
    """The venue's code and words in a reply; empty strings where there are none."""
    codes = venue_codes(ccxt_id)
    found_codes = [found for path in codes.code_at if (found := _at(body, path))]
    code = next((found for found in found_codes if found not in codes.blank), next(iter(found_codes), ""))
    text = next((found for path in codes.text_at if (found := _at(body, path))), "")
    return ("", text) if code in codes.success else (code, text)


def wait_s(body: object, ccxt_id: str) -> float | None:
    """For how many seconds the reply asks to be left alone; None where it does not."""
    path = venue_codes(ccxt_id).wait_at
    said = _at(body, path) if path else ""
    if not said.replace(".", "", 1).isdigit() or not said.isascii():
        return None
    return min(float(said), MAX_RETRY_AFTER_S)


def json_in(text: str) -> object:
    """The first object or list in ``text``; None where there is none that can be read."""
    start = min((index for index in (text.find("{"), text.find("[")) if index >= 0), default=-1)
    try:
        return json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else None
    except (ValueError, RecursionError):
        return None


def _at(body: object, path: str) -> str:
    for key in path.split("."):
        if isinstance(body, list) and key.isdigit() and int(key) < len(body):
            body = body[int(key)]
        elif isinstance(body, dict):
            body = body.get(key)
        else:
            return ""
    if isinstance(body, list) and all(isinstance(part, str) for part in body):
        return "; ".join(body)
    return str(body) if isinstance(body, (str, int)) and not isinstance(body, bool) else ""
