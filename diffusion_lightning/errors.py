"""The one exception that is meant for the person at the keyboard."""


class UserError(ValueError):
    """Bad input; its message says what was wrong, what is allowed and what to type instead.

    The command line prints the message alone, without a traceback.
    """
