"""What a step may say beside its plain sentence."""


class MovedOn(str):
    """Nothing was done, since somebody else is at it or was faster: no end of what was begun before."""

    __slots__ = ()
