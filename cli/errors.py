"""A command's expected end without success."""


class CommandError(Exception):
    """What happened, what it means and what to do; shown without a stack trace, exit status 1."""


class Refused(CommandError):
    """The API said no; the text renders its problem document."""

    def __init__(self, message: str, *, status: int, problem: dict[str, object]) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem
