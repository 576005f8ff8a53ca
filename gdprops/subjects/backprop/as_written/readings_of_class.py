"""The readings of one class: as it is made by itself, by its own file, by a script, or of what lies beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.subjects.backprop.as_written.assembly import assemblies
from gdprops.subjects.backprop.as_written.class_reading import class_readings
from gdprops.subjects.backprop.as_written.fixed_outputs import class_readings_of_counts
from gdprops.subjects.backprop.as_written.late_network import late_readings
from gdprops.subjects.backprop.as_written.layer_classes import is_layer
from gdprops.subjects.backprop.as_written.layers import layer_reading
from gdprops.subjects.backprop.as_written.own_construction import own_constructions
from gdprops.subjects.backprop.as_written.scripts_beside import constructions_beside, keeps_state
from gdprops.subjects.backprop.as_written.sequences import object_readings
from gdprops.subjects.backprop.as_written.small_sizes import small_readings

if TYPE_CHECKING:
    from gdprops.subjects.backprop.as_written.reading import Reading
    from gdprops.subjects.user_code.definitions import Definitions


def readings_of_class(found: type, given: Mapping[str, Any], definitions: Definitions) -> Iterator[Reading]:
    """Yield the readings of a class in the first of these ways that gives any.

    Its weights are there from the beginning, or are made in training, or the file itself puts an object together; else
    a script beside it does, or it is put together from the layers beside it. Last, its file fixes sizes, or classes.
    """
    refused = None
    for readings in (
        class_readings(found, given),
        late_readings(found, given),
        class_readings(found, given, own_constructions(found, definitions)),
        beside(found, given, definitions),
        object_readings(found, given),
        small_readings(found, given, definitions),
        class_readings_of_counts(found, given, definitions),
    ):
        any_read = False
        try:
            for reading in readings:
                any_read = True
                yield reading
        except UsageError as error:
            refused = refused or error
        if any_read:
            return
    if refused is not None:
        raise refused


def beside(found: type, given: Mapping[str, Any], definitions: Definitions) -> Iterator[Reading]:
    """Yield the readings of a class whose objects another file makes, or that is put together from what lies beside."""
    beside = list(constructions_beside(found, definitions))
    for construction in (one for one in beside if not keeps_state(one)):
        yield from class_readings(found, given, [construction])
    imported = {definitions.module.__name__, *(one.__name__ for one in definitions.helpers.modules)}
    for making in assemblies(found, definitions):
        lent_by = making.lent_by(imported)
        for reading in class_readings(found, given, [making]):
            yield replace(reading, guess=making.told, lent_by=lent_by)
        as_layer = layer_reading({found.__name__: found}, given, [making])[0] if is_layer(found) else None
        if as_layer is not None:
            yield replace(as_layer, guess=making.told, lent_by=lent_by)
    for construction in (one for one in beside if keeps_state(one)):
        yield from class_readings(found, given, [construction])
