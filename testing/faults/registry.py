"""How a fault is planted: a function from the class of a right driver to one that is wrong in one thing."""

FAULTS = {}


def fault(make):
    """Registers `make` under its name."""
    assert make.__name__ not in FAULTS, make.__name__
    FAULTS[make.__name__] = make
    return make


def plant(base, name):
    """`base` with the fault `name`; "none" plants nothing. KeyError for a name that nobody registered."""
    return base if name == "none" else FAULTS[name](base)
