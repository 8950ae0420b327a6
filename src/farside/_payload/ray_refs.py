"""Ray's references to objects, as Ray itself sends them. Imported where Ray is there already.

pickle alone takes the number of the object, and leaves out who has it: whoever asks for the object
then waits for ever. What Ray's reducer sends, Ray keeps until this process ends.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .reducers import Reduced


def reduce_ref(ref: Any) -> Reduced:
    """Reduce a reference."""
    from ray.cloudpickle import CloudPickler  # the user's

    # Ray puts its reducers there when it connects.
    reduced: Reduced = CloudPickler.dispatch[type(ref)](ref)
    return reduced
