"""``[positions]``: how positions are shown where a request does not say. Both ways of both are always kept."""

from typing import Literal

from settings.section import Section


class Positions(Section):
    #: what a unit that is sold had cost: the average of all that is open, or what the oldest had
    method: Literal["average", "fifo"] = "average"
    #: fees in the cost asset: in cost and profit, or beside them
    fees: Literal["included", "apart"] = "included"
