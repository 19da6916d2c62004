"""What a step may say beside its plain sentence."""


class MovedOn(str):
    """Nothing was done, since somebody else is at it or was faster: no end of what was begun before."""

    __slots__ = ()


class PutOff(str):
    """It can't be done now, and its row has a time: what its chain holds behind it would find nothing to do."""

    __slots__ = ()
