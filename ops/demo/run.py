"""The demo from its first process to its verdict."""

from dataclasses import asdict

from exchanges.paper.journal import read_balances, read_faults, read_orders
from ops import terminal
from ops.demo.basket import basket
from ops.demo.blotter import Blotter
from ops.demo.deployment import DemoError, Deployment
from ops.demo.trading import VICTIM, Trading
from ops.demo.verdict import Facts, Verdict, judge


def demo(*, seed: int, orders: int, keep: bool, output_json: bool) -> bool:
    """Run it; True when the verdict is good. Whatever happens, nothing of it runs afterwards."""
    blotter = Blotter(total=orders, quiet=output_json)
    deployment = Deployment(seed=seed)
    try:
        blotter.tell(f"starting a deployment of its own in {deployment.home}")
        deployment.start(blotter.tell)
        verdict, seconds = _trade(deployment, orders=orders, seed=seed, blotter=blotter)
        blotter.verdict(verdict, seconds)
        if output_json:
            checks = [asdict(check) for check in verdict.checks]
            terminal.as_json({"good": verdict.good, "seconds": round(seconds, 1), "checks": checks})
        return verdict.good
    except DemoError as error:
        terminal.complain(str(error))
        keep = True
        return False
    except KeyboardInterrupt:
        terminal.complain("Interrupted: ending what the demo started.")
        return False
    finally:
        deployment.stop()
        if keep:
            terminal.complain(f"Logs, database and the venue's log are in {deployment.home}")
        else:
            deployment.remove()


def _trade(deployment: Deployment, *, orders: int, seed: int, blotter: Blotter) -> tuple[Verdict, float]:
    trading = Trading(deployment, basket(orders, seed), blotter)
    blotter.open()
    try:
        seconds = trading.run()
        balances = trading.balances()
    finally:
        blotter.close()
        trading.close()
    back = min(trading.killed, deployment.restarts(VICTIM))
    deployment.stop()
    facts = Facts(
        answered=dict(trading.answered),
        sent_again=trading.sent_again,
        documents=trading.documents,
        venue_orders=read_orders(deployment.journal),
        faults=read_faults(deployment.journal),
        venue_balances=read_balances(deployment.journal),
        our_balances=balances,
        workers_killed=trading.killed,
        workers_back=back,
    )
    return judge(facts), seconds
