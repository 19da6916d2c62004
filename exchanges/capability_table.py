"""What each venue can do, as data, from its documentation (``capability_notes``)."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from exchanges.capability import NOTHING, Amend, AmendSize, Capabilities, IdScope, Paging

CAPABILITIES: Mapping[str, Capabilities] = {
    "binance": Capabilities(
        gets_only_read=True,
        lists_all_open=True,
        fee_in="received",
        enforces_deadline=True,  # timestamp + recvWindow, checked again before matching
        rate_limit_is_rejection=True,
        client_ids_unique=IdScope.OPEN_ORDERS,
        client_id_param="newClientOrderId",
        finds_by="clientOrderId",
        closed_orders_by=("fetch_orders",),
        market_buy_params=NOTHING,
        acknowledges_only=False,  # newOrderRespType FULL
        lists_at=("", "balances"),
        paging=Paging.BY_ID,
        signs_milliseconds=True,
        amend=Amend.REPLACE,
        tells_movements=True,
        transfer_types=MappingProxyType(
            {
                "MAIN_FUNDING": True,
                "FUNDING_MAIN": False,
                "MAIN_UMFUTURE": True,
                "UMFUTURE_MAIN": False,
                "MAIN_MARGIN": True,
                "MARGIN_MAIN": False,
            }
        ),
        native_iceberg=True,
        iceberg_param="icebergQty",
    ),
    "bybit": Capabilities(
        gets_only_read=True,
        lists_all_open=True,
        fee_in="received",
        enforces_deadline=True,  # timestamp + recv_window
        client_ids_unique=IdScope.ALWAYS,
        finds_by="orderLinkId",
        closed_orders_by=("fetch_canceled_and_closed_orders",),
        open_orders_next=("cursor", "result.nextPageCursor"),
        ended_order_by=("fetch_canceled_and_closed_orders", "orderId"),  # 500 are recent, after a release of its none
        fetch_params=MappingProxyType({"acknowledged": True}),
        market_buy_params=NOTHING,  # without a price the class asks for marketUnit baseCoin
        lists_at=("result.list",),
        paging=Paging.BACKWARD,
        look_days=7,
        signs_milliseconds=True,
        amend=Amend.NONE,  # its "order quantity after modification" does not say whether fills count
    ),
    "okx": Capabilities(
        gets_only_read=True,
        lists_all_open=True,
        fee_in="received",
        client_ids_unique=IdScope.ALWAYS,
        finds_by="clientOrderId",
        closed_orders_by=("fetch_closed_orders", "fetch_canceled_orders"),
        market_buy_params=MappingProxyType({"tgtCcy": "base_ccy"}),
        open_orders_next=("after", "data.-1.ordId"),
        lists_at=("data",),
        paging=Paging.BACKWARD,
        tells_cost=False,
        signs_milliseconds=True,
        amend=Amend.IN_PLACE,
        amend_size=AmendSize.TOTAL,  # newSz includes what has been filled
        amend_keeps_id=True,
        amended_at="data.0.ordId",
        # Its icebergs are algo orders, in lists of their own where a lookup would not find them.
    ),
    "kraken": Capabilities(
        gets_only_read=True,
        lists_all_open=True,
        client_ids_unique=IdScope.OPEN_ORDERS,
        lists_filter="clientOrderId",  # fetch_order would send it as userref, which is another thing
        closed_orders_by=("fetch_closed_orders",),
        market_buy_params=NOTHING,
        lists_at=("result",),
        paging=Paging.BY_OFFSET,
        tells_cost=False,
        lists_all_symbols=True,
        since_is_exclusive=True,
        ended_orders_a_page=50,
        trades_a_page=50,
        signs_milliseconds=True,
        increasing_nonce=True,
        amend=Amend.IN_PLACE,
        amend_size=AmendSize.TOTAL,  # below what has filled it cancels the rest
        amend_keeps_id=True,  # the id in its reply is the amendment's
        amend_deadline=True,  # "deadline": its matching engine refuses a request that comes later
        amended_at="result.amend_id",
        native_iceberg=True,
        iceberg_param="displayvol",
        iceberg_params=MappingProxyType({"ordertype": "iceberg"}),
    ),
    "coinbase": Capabilities(
        gets_only_read=True,
        lists_all_open=True,
        client_ids_unique=IdScope.ALWAYS,  # a repeat returns the first order
        client_id_param="client_order_id",  # ccxt drops clientOrderId here and makes an id of its own
        closed_orders_by=("fetch_orders",),
        lists_at=("orders", "fills", "accounts", "data"),
        paging=Paging.BACKWARD,
        lists_all_symbols=True,  # ccxt's "product_id" is no longer among its documented parameters
        symbols_param="product_ids",
        more_at="has_next",
        since_is_exclusive=True,
        open_orders_a_page=1000,  # no more than 500 can be open of one product
        trades_a_page=100,
        tells_cost=False,
        signs_milliseconds=True,
        signs_markets=True,
        amend=Amend.IN_PLACE,
        amend_size=AmendSize.TOTAL,  # a size below what has filled is refused as such
        amend_keeps_id=True,
        amended_at="success",
    ),
    "kucoin": Capabilities(
        gets_only_read=True,
        finds_by="clientOrderId",
        closed_orders_by=("fetch_closed_orders",),
        fetch_params=MappingProxyType({"hf": True}),
        market_buy_params=NOTHING,
        signs_markets=True,
        lists_at=("data.items", "data"),
        paging=Paging.BACKWARD,
        look_days=7,
        ended_orders_a_page=100,
        ended_orders_params=MappingProxyType({"limit": 100}),  # ccxt's pageSize is of its other account: it gives 20
        signs_milliseconds=True,
        amend=Amend.REPLACE,  # "alter" cancels the order and places another, says its documentation
        native_iceberg=True,
        iceberg_param="visibleSize",
        iceberg_params=MappingProxyType({"iceberg": True}),
    ),
    "gate": Capabilities(
        gets_only_read=True,
        lists_all_open=True,
        fee_in="received",
        finds_by="clientOrderId",  # pending orders only
        closed_orders_by=("fetch_closed_orders",),
        lists_at=("",),
        paging=Paging.BY_PAGE,
        open_orders_page_param="page",  # of each pair's, at most 100 of it; "all currency pairs" are in each answer
        look_days=30,
        since_param="from",
        # Refused by when it is received; that nothing received before can still come to be is nowhere said.
        deadline_header="x-gate-exptime",
        signs_milliseconds=True,
        amend=Amend.NONE,  # its spot documentation does not say whether a new size counts what has filled
        native_iceberg=True,
        iceberg_param="iceberg",
    ),
    "bitget": Capabilities(
        gets_only_read=True,
        lists_all_open=True,
        fee_in="received",
        finds_by="clientOrderId",
        closed_orders_by=("fetch_canceled_and_closed_orders",),
        lists_at=("data",),
        open_orders_next=("idLessThan", "data.-1.orderId"),
        paging=Paging.BACKWARD,
        signs_milliseconds=True,
        amend=Amend.REPLACE,
    ),
    "nobitex": Capabilities(
        gets_only_read=True,
        rate_limit_is_rejection=True,  # its 429 tells to send the request again after a while: it was not looked at
        post_only=False,
        times_in_force=frozenset({"GTC"}),
        client_ids_unique=IdScope.OPEN_ORDERS,
        finds_by="clientOrderId",  # among open orders only
        closed_orders_by=("fetch_orders",),  # a rejected order is in no other list
        market_buy_params=NOTHING,
        lists_at=("orders", "trades", "wallets"),
        paging=Paging.BY_PAGE,
        # The class reads their pages itself, to the end or not at all; more it raises.
        ended_orders_a_page=100_000,
        trades_a_page=100_000,
        trades_kept=timedelta(days=3),
        fee_in="received",
    ),
}
