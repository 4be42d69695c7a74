"""What an attacker would put into a file."""

import os


class Evil:
    """Unpickled, it runs a command, which leaves a file `executed` behind."""

    def __reduce__(self):
        return os.system, ("touch executed",)
