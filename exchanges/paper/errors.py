"""The venue's refusals, with Binance's codes and texts (clients tell them apart by both)."""


class Refused(Exception):
    """The venue's no: answered as ``{"code": …, "msg": …}`` with an HTTP status."""

    def __init__(self, code: int, msg: str, *, status: int = 400, data: object = None, retry_after_s: int = 0) -> None:
        super().__init__(f"{code}: {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        #: what cancelReplace says about its two halves
        self.data = data
        #: sent as Retry-After when positive
        self.retry_after_s = retry_after_s

    def document(self) -> dict[str, object]:
        body: dict[str, object] = {"code": self.code, "msg": self.msg}
        if self.data is not None:
            body["data"] = self.data
        return body


def filter_failure(name: str) -> Refused:
    return Refused(-1013, f"Filter failure: {name}")


def mandatory(name: str) -> Refused:
    return Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, pattern: str) -> Refused:
    return Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'.")


def not_required(name: str) -> Refused:
    return Refused(-1106, f"Parameter '{name}' sent when not required.")


def too_precise(name: str) -> Refused:
    return Refused(-1111, f"Parameter '{name}' has too much precision.")


def insufficient_balance() -> Refused:
    return Refused(-2010, "Account has insufficient balance for requested action.")


def duplicate_order() -> Refused:
    return Refused(-2010, "Duplicate order sent.")


def would_take() -> Refused:
    return Refused(-2010, "Order would immediately match and take.")


def amend_refused(why: str) -> Refused:
    return Refused(-2038, f"Order amend rejected. {why}")


def unknown_order() -> Refused:
    return Refused(-2011, "Unknown order sent.")


def no_such_order() -> Refused:
    return Refused(-2013, "Order does not exist.")


def outside_window() -> Refused:
    return Refused(-1021, "Timestamp for this request is outside of the recvWindow.")


def ahead_of_time() -> Refused:
    return Refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
