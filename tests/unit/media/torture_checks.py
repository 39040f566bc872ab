"""What is found of a file of the torture folder against what is expected."""

import math


def facts_that_differ(case, found):
    """Expected and found value of every fact that is another one."""
    return {
        name: (value, found[name])
        for name, value in case.facts.items()
        if not (
            math.isclose(found[name], value, abs_tol=0.01)
            if isinstance(value, float)
            else found[name] == value
        )
    }
