"""What the venues' own error codes and words prove, as data; looked at before the class that ccxt gives them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from exchanges.aliases import speaks_as
from exchanges.evidence import Evidence

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCodes:
    #: where the code stands in the reply, dotted; the first that is there counts
    code_at: tuple[str, ...] = ("code", "label", "error_code", "error")
    text_at: tuple[str, ...] = ("msg", "message", "error_description")
    #: where the reply says for how many seconds the venue wants to be left alone; "": in its headers, if at all
    wait_at: str = ""
    #: codes of a reply that is no error
    success: frozenset[str] = _NONE
    #: codes that say nothing where another place says more
    blank: frozenset[str] = _NONE
    #: the client id is there already
    duplicate: frozenset[str] = _NONE
    #: the venue itself does not know, or did not say in time
    ambiguous: frozenset[str] = _NONE
    rejected: frozenset[str] = _NONE
    rate_limited: frozenset[str] = _NONE
    credentials: frozenset[str] = _NONE
    clock: frozenset[str] = _NONE
    not_found: frozenset[str] = _NONE
    #: in the answer to a read: the order that is asked for is not there. Elsewhere they mean something else
    not_found_in_reads: frozenset[str] = _NONE

    def evidence(self, code: str) -> Evidence | None:
        """What ``code`` proves by itself; None when the table does not say."""
        if not code:
            return None
        for codes, evidence in (
            (self.duplicate, Evidence.DUPLICATE),
            (self.ambiguous, Evidence.AMBIGUOUS),
            (self.rate_limited, Evidence.RATE_LIMITED),
            (self.clock, Evidence.CLOCK),
            (self.credentials, Evidence.CREDENTIALS),
            (self.not_found, Evidence.NOT_FOUND),
            (self.rejected, Evidence.REJECTED),
        ):
            if code in codes:
                return evidence
        return None


#: The id of an order is there already, in the venues' words. Texts about other things that repeat do not name an id.
DUPLICATE_TEXT = re.compile(
    r"duplicate\s+order|duplicat\w*[\s_]+(?:client|cl[\s_]?ord|order|custom|oid|text)"
    r"|(?:client|cl_ord_id|clordid|order|link|oid)[\w\s]{0,24}?(?:duplicat|repeat|already[\s_]+(?:exist|been[\s_]+used"
    r"|in[\s_]+use|used)|has[\s_]+been[\s_]+used)",
    re.IGNORECASE,
)
#: The client id of an order is named.
CLIENT_ID_TEXT = re.compile(
    r"client[\s_-]?(?:order[\s_-]?)?o?id|cl[\s_-]?ord[\s_-]?id|order[\s_-]?link(?:ed)?[\s_-]?id", re.IGNORECASE
)
#: The venue gave up waiting for itself: the order may be live whatever the class says.
TIMEOUT_TEXT = re.compile(
    r"time[ds]?[\s_-]?out|status unknown|unknown status|may have been|success or failure|EService:(?!Market )|internal error"
    r"|internal server|try again|system (?:error|busy)|service (?:is )?unavailable",
    re.IGNORECASE,
)
#: The copy came too late or too early for the venue's window.
CLOCK_TEXT = re.compile(
    r"REQUEST_EXPIRED|timestamp[\w\s]*expired|outside of the recvWindow|Invalid nonce|Invalid arguments:deadline",
    re.IGNORECASE,
)
#: Binance says until when an address is banned, in milliseconds since the epoch.
BANNED_UNTIL = re.compile(r"until (\d{13})")

CODES: Mapping[str, VenueCodes] = {
    "binance": VenueCodes(
        ambiguous=frozenset({"-1000", "-1001", "-1006", "-1007", "-1008", "-1016", "-2021", "-2022"}),
        # -2010 and -2011 say only "rejected": the text and the class tell what of.
        rejected=frozenset({"-1013", "-1100", "-1102", "-1104", "-1106", "-1111", "-1112", "-1114", "-1115", "-1116",
                            "-1117", "-1121", "-2010", "-2038"}),
        rate_limited=frozenset({"-1003", "-1015"}),
        credentials=frozenset({"-1002", "-1022", "-2014", "-2015"}),
        clock=frozenset({"-1021"}),
        not_found=frozenset({"-2013"}),
    ),
    "bybit": VenueCodes(
        code_at=("retCode",), text_at=("retMsg",), success=frozenset({"0"}),
        duplicate=frozenset({"170141", "110072", "12141"}),
        ambiguous=frozenset({"10000", "10016", "10014", "5004", "170007", "170146", "170147", "170032"}),
        rate_limited=frozenset({"10006", "10018", "10429", "170005", "170222"}),
        credentials=frozenset({"10003", "10004", "10005", "10007", "10010", "33004"}),
        clock=frozenset({"10002"}),
        not_found=frozenset({"170213", "110001"}),
    ),
    "okx": VenueCodes(
        code_at=("data.0.sCode", "code"), text_at=("data.0.sMsg", "msg"), success=frozenset({"0"}),
        duplicate=frozenset({"51011", "51016"}),
        ambiguous=frozenset({"51149", "50004", "50001", "50013", "50026", "51054"}),
        rate_limited=frozenset({"50011", "50061", "51113"}),
        clock=frozenset({"50102", "50112"}),
        rejected=frozenset({"51511"}),
        not_found=frozenset({"51400", "51401", "51402", "51503", "51509", "51510", "51603"}),
    ),
    "kraken": VenueCodes(
        code_at=("error.0",), text_at=("error",),  # several are one text, so that one that proves nothing takes back the others
        ambiguous=frozenset({"EService:Timeout", "EService:Unavailable", "EService:Busy", "EGeneral:Internal error",
                             "EService:Deadline elapsed"}),
        rate_limited=frozenset({"EAPI:Rate limit exceeded", "EOrder:Rate limit exceeded", "EGeneral:Temporary lockout",
                                "EOrder:Domain rate limit exceeded", "EGeneral:Too many requests",
                                "EAuth:Rate limit exceeded", "EAuth:Too many requests"}),
        credentials=frozenset({"EAPI:Invalid key", "EAPI:Invalid signature", "EGeneral:Permission denied",
                               "EAuth:Account temporary disabled", "EAuth:Account unconfirmed"}),
        # "EGeneral:Invalid arguments" is not among them: it may be about a client id that is taken.
        rejected=frozenset({"EOrder:Insufficient funds", "EOrder:Order minimum not met", "EOrder:Cost minimum not met",
                            "EOrder:Tick size check failed", "EOrder:Orders limit exceeded", "EOrder:Invalid price",
                            "EOrder:Post only order", "EQuery:Unknown asset pair", "EAccount:Invalid permissions",
                            "EService:Market in cancel_only mode", "EService:Market in post_only mode",
                            "EService:Market in limit_only mode"}),
        clock=frozenset({"EAPI:Invalid nonce"}),
        not_found=frozenset({"EOrder:Unknown order"}),
        not_found_in_reads=frozenset({"EOrder:Invalid order"}),
    ),
    "coinbase": VenueCodes(
        # "error" is on its way out: newer replies leave it at the blank value and say more in the next two
        code_at=("error_response.error", "error_response.new_order_failure_reason",
                 "error_response.preview_failure_reason", "error", "errors.0.id", "errors.0.edit_failure_reason",
                 "results.0.failure_reason"),
        blank=frozenset({"UNKNOWN_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON"}),
        duplicate=frozenset({"DUPLICATE_CLIENT_ORDER_ID"}),
        text_at=("error_response.message", "error_details", "message", "errors.0.message"),
        rejected=frozenset({"INSUFFICIENT_FUND", "INVALID_LIMIT_PRICE_POST_ONLY", "UNSUPPORTED_ORDER_CONFIGURATION",
                            "INVALID_SIDE", "INVALID_PRODUCT_ID", "INVALID_SIZE_PRECISION", "INVALID_PRICE_PRECISION",
                            "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY", "INVALID_LIMIT_PRICE", "INVALID_LEDGER_BALANCE",
                            "INVALID_NO_LIQUIDITY", "INELIGIBLE_PAIR", "ORDER_ENTRY_DISABLED",
                            "PREVIEW_INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_LEDGER_BALANCE",
                            "PREVIEW_INVALID_LEDGER_BALANCE", "PREVIEW_INVALID_LIMIT_PRICE",
                            "PREVIEW_INVALID_NO_LIQUIDITY", "PREVIEW_INVALID_SIDE", "PREVIEW_INVALID_PRODUCT_ID",
                            "PREVIEW_INVALID_SIZE_PRECISION", "PREVIEW_INVALID_PRICE_PRECISION",
                            "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE", "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL",
                            "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL",
                            "PREVIEW_INVALID_PRICE_TOO_LARGE", "PREVIEW_BREACHED_PRICE_LIMIT",
                            "PREVIEW_UNTRADABLE_PRODUCT", "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE",
                            "CANNOT_EDIT_TO_BELOW_FILLED_SIZE", "COMMANDER_REJECTED_EDIT_ORDER", "INVALID_EDITED_SIZE",
                            "INVALID_EDITED_PRICE", "ONLY_LIMIT_ORDER_EDITS_SUPPORTED",
                            "EXCEEDED_MAX_ALLOWED_EDIT_REQUEST_COUNT"}),
        ambiguous=frozenset({"UNKNOWN_CANCEL_FAILURE_REASON"}),
        rate_limited=frozenset({"rate_limit_exceeded", "resource_exhausted"}),
        not_found=frozenset({"NOT_FOUND", "ORDER_NOT_FOUND", "ONLY_OPEN_ORDERS_CAN_BE_EDITED", "UNKNOWN_CANCEL_ORDER",
                             "ORDER_IS_FULLY_FILLED"}),
    ),
    "kucoin": VenueCodes(
        success=frozenset({"200000"}),
        duplicate=frozenset({"126033", "126044"}),
        ambiguous=frozenset({"408000", "500000"}),
        rejected=frozenset({"200001", "200003", "200004", "200009", "400200", "400700", "900001"}),
        rate_limited=frozenset({"429", "429000"}),
        credentials=frozenset({"400001", "400003", "400004", "400005", "400006", "400007"}),
        clock=frozenset({"400002"}),
        not_found=frozenset({"100001", "126043"}),
    ),
    "gate": VenueCodes(
        code_at=("label",), text_at=("message", "detail"),
        # Nobody says of what the creation is repeated: of a loan, or of this order.
        ambiguous=frozenset({"INTERNAL", "SERVER_ERROR", "TOO_BUSY", "REPEATED_CREATION"}),
        rejected=frozenset({"FOK_NOT_FILL", "ORDER_BOOK_NOT_FOUND", "INITIAL_MARGIN_TOO_LOW", "MISSING_REQUIRED_PARAM"}),
        rate_limited=frozenset({"TOO_FAST", "TOO_MANY_REQUESTS"}),
        credentials=frozenset({"INVALID_KEY", "INVALID_SIGNATURE", "INVALID_CREDENTIALS", "IP_FORBIDDEN", "READ_ONLY",
                               "FORBIDDEN", "MISSING_REQUIRED_HEADER"}),
        clock=frozenset({"REQUEST_EXPIRED"}),
        not_found=frozenset({"ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND", "ORDER_CLOSED", "ORDER_CANCELLED"}),
    ),
    "bitget": VenueCodes(
        success=frozenset({"00000"}),
        duplicate=frozenset({"40786", "43118"}),
        # 40010 "Request timed out" comes as AuthenticationError and proves nothing of the kind.
        # 40500 "Client_oid check error" does not say what about the id is wrong; it may be taken.
        ambiguous=frozenset({"40010", "40015", "40500", "40725", "45001", "50008"}),
        rejected=frozenset({"41101", "41113", "41114", "41117", "41118", "43005", "43006", "43007", "43008", "43009", "43010",
                            "43027", "43028", "43119", "43120", "43122"}),
        rate_limited=frozenset({"1001", "429", "50009"}),
        credentials=frozenset({"40006", "40009", "40011", "40012", "40014", "40018", "40037"}),
        clock=frozenset({"40004", "40005", "40008"}),
        not_found=frozenset({"22001", "40109", "40768", "43001", "43004"}),
    ),
    "nobitex": VenueCodes(
        code_at=("code", "error"), text_at=("message", "detail"), wait_at="backOff",
        duplicate=frozenset({"DuplicateClientOrderId"}),
        # DuplicateOrder refuses an order that equals one of the last ten seconds. We ask for that check to be left out
        # (pro=yes), since equal slices are no mistake. Where it comes all the same this copy was not taken; but whether
        # the order that it equals is another one of the account or an earlier copy of this one, multiplied on its way,
        # nobody says. So it is neither "exists" nor "refused": what the venue shows under the client id decides.
        ambiguous=frozenset({"DuplicateOrder", "TryAgainLater"}),
        # Of each of these the documentation says that the order was not placed.
        rejected=frozenset({"InvalidOrderPrice", "BadPrice", "PriceConditionFailed", "InvalidExecutionType",
                            "InvalidOrderType", "OverValueOrder", "SmallOrder", "InvalidMarketPair", "InvalidSymbol",
                            "MarketClosed", "FeatureUnavailable", "NullIdAndClientOrderId", "ParseError"}),
        rate_limited=frozenset({"TooManyRequests"}),
        credentials=frozenset({"TradingUnavailable", "UnAuthenticated"}),
        not_found=frozenset({"NotFound"}),
    ),
}  # fmt: skip
UNKNOWN_VENUE = VenueCodes()


def venue_codes(ccxt_id: str) -> VenueCodes:
    """The table for a class, or for the one that it is an alias of."""
    return CODES.get(speaks_as(ccxt_id), UNKNOWN_VENUE)
