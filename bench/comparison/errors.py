"""What goes wrong in a comparison, told in one line."""


class BenchError(Exception):
    """A measurement that cannot be made or must not count; the message says why."""
