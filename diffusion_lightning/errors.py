"""The one exception that is meant for the person at the keyboard, and the commonest checks."""


class UserError(ValueError):
    """Bad input; its message says what was wrong, what is allowed and what to type instead.

    The command line prints the message alone, without a traceback.
    """


def at_least(name: str, value: object, least: int = 1) -> int:
    """The value, if it is an integer and large enough; else a UserError that names it."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(f"{name} is {value!r}; it must be an integer of at least {least}.")
    return value


def no_name(group: str, part: object) -> None:
    """Refuse the name of a group's option where its object belongs: `sampler.grid=` for `sampler/grid=`."""
    if isinstance(part, str):
        dotted = group.replace("/", ".")
        raise UserError(f"{dotted}={part} names an option of a group; write {group}={part}.")
