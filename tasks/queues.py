"""The queues, and which step waits in which: what waits on a venue is kept apart from what does not."""

#: messages from other services: orders.submit, orders.cancel, orders.amend
ORDERS = "orders"
#: steps that only read and write the database
STEPS = "steps"
#: steps that wait on a venue
VENUE = "venue"
#: cancels, amendments and lookups, which must get through when everything else stands still
URGENT = "urgent"
#: what beat starts
HOUSEKEEPING = "housekeeping"

QUEUES = (ORDERS, STEPS, VENUE, URGENT, HOUSEKEEPING)

ROUTES = {
    "orders.submit": ORDERS,
    "orders.cancel": ORDERS,
    "orders.amend": ORDERS,
    "orders.prepare": VENUE,
    "orders.validate": STEPS,
    "orders.commit": VENUE,
    "orders.plan": VENUE,
    "orders.settle": VENUE,
    "orders.lookup": URGENT,
    "orders.withdraw": URGENT,
    "orders.amend_working": URGENT,
    "orders.recall": URGENT,
    "orders.follow_up": URGENT,
    "orders.track": VENUE,
    "orders.watch": HOUSEKEEPING,
    "orders.rescue": HOUSEKEEPING,
    "orders.relay": HOUSEKEEPING,
    "orders.measure": HOUSEKEEPING,
    "venues.measure": VENUE,
    "venues.look": HOUSEKEEPING,
    "venues.probe": URGENT,
    "venues.refresh": VENUE,
    "venues.refresh_all": HOUSEKEEPING,
    "storage.cleanup": HOUSEKEEPING,
    "orders.watch_series": HOUSEKEEPING,
    "storage.backup": HOUSEKEEPING,
    "storage.examine": HOUSEKEEPING,
    "orders.finish_restore": HOUSEKEEPING,
    "ledger.seal": HOUSEKEEPING,
    "venues.movements": VENUE,
    "venues.movements_all": HOUSEKEEPING,
    "ledger.verify": HOUSEKEEPING,
    "accounts.reconcile": VENUE,
    "accounts.compare_orders": VENUE,
    "orders.compare_all": HOUSEKEEPING,
    "reconciliations.nightly": HOUSEKEEPING,
    "reconciliations.start": HOUSEKEEPING,
    "reconciliations.conclude": HOUSEKEEPING,
    "reconciliations.sweep": HOUSEKEEPING,
}
