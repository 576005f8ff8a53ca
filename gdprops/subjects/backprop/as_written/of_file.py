"""What of a file can be checked as hand-written backprop, and how it becomes a subject.

Functions ``loss`` and ``step`` or ``gradients`` come first, then the classes that are whole networks, then functions as
a course has them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest
from gdprops.model.note import Note
from gdprops.subjects.backprop.as_written.assembly import asks_for_layers
from gdprops.subjects.backprop.as_written.data_frames import frames_told
from gdprops.subjects.backprop.as_written.fixed_outputs import function_readings_of_counts
from gdprops.subjects.backprop.as_written.found_forms import is_network, network_classes, returns_gradients
from gdprops.subjects.backprop.as_written.function_layers import function_layers
from gdprops.subjects.backprop.as_written.function_parts import has_pipeline
from gdprops.subjects.backprop.as_written.function_reading import function_readings
from gdprops.subjects.backprop.as_written.layer_classes import layer_classes, loss_classes
from gdprops.subjects.backprop.as_written.layer_functions import layer_functions
from gdprops.subjects.backprop.as_written.layers import layer_reading
from gdprops.subjects.backprop.as_written.met_errors import forgotten, most_met
from gdprops.subjects.backprop.as_written.missing_numbers import give_missing_numbers, sample_counts
from gdprops.subjects.backprop.as_written.missing_setup import setup_told
from gdprops.subjects.backprop.as_written.one_epoch import run_once
from gdprops.subjects.backprop.as_written.readings_of_class import beside, readings_of_class
from gdprops.subjects.backprop.as_written.roles import Role, role_of
from gdprops.subjects.backprop.as_written.script_loop import loop_readings
from gdprops.subjects.backprop.as_written.sequence_globals import global_readings, has_sequences
from gdprops.subjects.backprop.as_written.small_sizes import small_functions
from gdprops.subjects.backprop.as_written.stated_error import stated_error
from gdprops.subjects.backprop.as_written.subject import written_subject
from gdprops.subjects.backprop.as_written.training_loops import training_loops
from gdprops.subjects.backprop.student_file import file_subject
from gdprops.subjects.backprop.subject import Backprop
from gdprops.subjects.user_code.definitions import Definitions, definitions_of
from gdprops.subjects.user_code.helper_modules import helpers_of
from gdprops.subjects.user_code.isolation import isolated
from gdprops.subjects.user_code.old_names import with_new_names
from gdprops.subjects.user_code.source import is_whole_file, source_of


class Candidate(NamedTuple):
    """Something in a file that can be checked: its name (empty for the file as a whole), what it is, how it is made."""

    name: str
    what: str
    make: Callable[[], Backprop]


def defined_in(path: str) -> Definitions:
    """Return what a file or notebook defines; loops that only repeat a training step are run once."""
    helpers_of(Path(path)).reads_old_names = True
    found = definitions_of(Path(path), lambda tree: (*with_new_names(tree), *run_once(tree)))
    give_missing_numbers(found)
    return found


def candidates(path: str, given: Mapping[str, Any]) -> list[Candidate]:
    """Return what of a file or notebook can be checked as hand-written backprop."""
    if has_functions(path):
        return [Candidate("", "functions", lambda: file_subject(path, given))]
    definitions = defined_in(path)
    layers = {name: value for name, value in layer_classes(definitions.own).items() if not _is_whole(value)}
    networks = [name for name in network_classes(definitions.own) if name not in layers]
    if len(networks) > 1:
        networks = [name for name in networks if not _is_part(name, definitions, networks)]
    if len(networks) > 1 or (networks and layers):
        networks = [name for name in networks if _is_read(definitions, name, given)] or ([] if layers else networks)
    if networks:
        make = partial(_network_or_layers, definitions, layers, path, given)
        return [Candidate(name, "a network", partial(make, name)) for name in networks]
    if layers:
        whole = {**network_classes(definitions.own), **layer_classes(definitions.own)}
        left = [name for name in whole if name not in layers]
        make = partial(layers_subject, definitions, layers, path, given, left)
        if any(loop.objects for loop in training_loops(definitions)):
            return [Candidate("", "a training loop", lambda: _loop_or(make, definitions, path))]
        return [Candidate("", "layers", make)]
    return [Candidate("", what, make) for what, make in islice(_of_functions(definitions, path, given), 1)]


def _of_functions(
    definitions: Definitions, path: str, given: Mapping[str, Any]
) -> Iterator[tuple[str, Callable[[], Backprop]]]:
    """Yield what functions, or the script around them, may be, the most telling first."""
    over_layers = layer_functions(definitions.own)
    if over_layers is not None:
        yield "functions", partial(over_layers_subject, definitions, over_layers, path, given)
    if has_sequences(definitions):
        yield "functions over a sequence", partial(sequence_subject, definitions, path)
    if has_pipeline(definitions.own):
        yield "functions", partial(function_subject, definitions, path, given)
    if training_loops(definitions):
        yield "a training loop", partial(loop_subject, definitions, path)
    pairs = function_layers(definitions.own)
    if pairs:
        yield "layers", partial(layers_subject, definitions, pairs, path, given)


def _loop_or(layers: Callable[[], Backprop], definitions: Definitions, path: str) -> Backprop:
    """Return the training loop over the layers of a file as a subject, or its layers where that gives no verdict."""
    try:
        found = loop_subject(definitions, path)
    except UsageError:
        return layers()
    if not found.barred:
        return found
    try:
        return layers()
    except UsageError:
        return found


def _is_whole(found: type) -> bool:
    """Say whether a class with the methods of a layer is a network: it holds layers, or computes its own loss."""
    return asks_for_layers(found) or returns_gradients(found, dir(found))


def _is_part(name: str, definitions: Definitions, networks: Sequence[str]) -> bool:
    """Say whether another network of a file makes objects of a class: a layer that also updates itself."""
    others = [n for n in definitions.source.tree.body if isinstance(n, ast.ClassDef) and n.name in networks]
    return any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == name
        for other in others
        if other.name != name
        for n in ast.walk(other)
    )


def _is_read(definitions: Definitions, name: str, given: Mapping[str, Any]) -> bool:
    """Say whether objects of a class can be made, asked for an output and trained."""
    try:
        with isolated(), definitions.helpers.present():
            return next(readings_of_class(definitions.own[name], given, definitions), None) is not None
    except Exception:  # the user's code, called in ways that it is not meant for
        return False


def has_functions(path: str) -> bool:
    """Say whether a file has the functions that `gdprops.backprop` takes; it is read, and not run."""
    found = {node.name: node for node in source_of(Path(path)).tree.body if isinstance(node, ast.FunctionDef)}
    if not is_whole_file(path) or "loss" not in found or not found.keys() & {"step", "gradients"}:
        return False
    taken = [a.arg for a in found["loss"].args.args]
    return not taken or role_of(taken[0]) is not Role.DATA  # loss(X, y, W1, …) is read by its names


def network_named(spec: str) -> tuple[str, str] | None:
    """Return the file and the class of a subject string that names a network; None for any other.

    The file is read, and executed only for its definitions if a class of that name may be a network.
    """
    path, colon, name = spec.rpartition(":")
    if not colon or not is_whole_file(path) or not Path(path).is_file():
        return None
    try:
        tree = source_of(Path(path)).tree
    except UsageError:  # it is told where the file is imported
        return None
    classes = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name]
    if not classes or any("Optimizer" in ast.unparse(b) or "Module" in ast.unparse(b) for b in classes[0].bases):
        return None
    found = defined_in(path).own.get(name)
    return (path, name) if isinstance(found, type) and is_network(found) else None


def class_subject(definitions: Definitions, name: str, path: str, given: Mapping[str, Any]) -> Backprop:
    """Return a class of a file as a subject; ``given`` are arguments of its constructor.

    Raises `UsageError` where it cannot be made, asked for an output, or trained.
    """
    found = definitions.own.get(name)
    if not isinstance(found, type):
        raise UsageError(f"{path} has no class {name}")
    notes = [Note(told) for told in definitions.told]
    spec, stated = f"{path}:{name}", stated_error(definitions.source.tree)
    try:
        readings = readings_of_class(found, given, definitions)
        made = written_subject(readings, spec, spec, definitions.helpers, notes, stated)
    except UsageError as error:
        raise UsageError(f"{error}{setup_told(found, str(error))}{frames_told(str(error))}") from error
    return replace(made, name=path, hyperparameters=dict(given))


def _network_or_layers(
    definitions: Definitions, layers: Mapping[str, type], path: str, given: Mapping[str, Any], name: str
) -> Backprop:
    """Return a network as a subject, or the layers that it is made of where it cannot be made by itself."""
    try:
        return class_subject(definitions, name, path, given)
    except UsageError as error:
        if not layers:
            raise
        why = str(error).removeprefix(f"{path}:{name}: ")
    made = layers_subject(definitions, layers, path, given)
    note = Note(f"{name} was not judged as a whole, its layers were ({why})")
    return replace(made, notes=(*made.notes, note))


def layers_subject(
    definitions: Definitions,
    layers: Mapping[str, type],
    path: str,
    given: Mapping[str, Any],
    left: Sequence[str] = (),
) -> Backprop:
    """Return the layers of a file as a subject; ``left`` are networks that could not be made or trained.

    Raises `UsageError` where none can be made and called.
    """
    with isolated(), definitions.helpers.present():
        forgotten()
        reading, left_out = layer_reading(layers, given)
        said = most_met()
    if reading is None:
        why = f" ({said})" if said else ""
        raise UsageError(
            f"{path}: {'; '.join(left_out)}{why}; run gdprops check on the file of a network of such layers"
        )
    left_out += [f"{name}: no way was found to make it and to train it, so it was not judged" for name in left]
    losses = loss_classes(definitions.own)
    left_out += [f"{name} compares with targets: it is a loss, and was not judged as a layer" for name in losses]
    notes = [Note(told) for told in (*left_out, *definitions.told)]
    return written_subject([reading], path, path, definitions.helpers, notes, stated_error(definitions.source.tree))


def over_layers_subject(definitions: Definitions, found: type, path: str, given: Mapping[str, Any]) -> Backprop:
    """Return functions over a list of layers as a subject, or over a list of numbers where no layers fit them.

    Raises `UsageError` where nothing does.
    """
    notes = [Note(told) for told in definitions.told]
    try:
        return written_subject(beside(found, given, definitions), path, path, definitions.helpers, notes)
    except UsageError:
        if not has_pipeline(definitions.own):
            raise
    return function_subject(definitions, path, given)


def sequence_subject(definitions: Definitions, path: str) -> Backprop:
    """Return functions over a sequence as a subject."""
    notes = [Note(told) for told in definitions.told]
    return written_subject(global_readings(definitions), path, path, definitions.helpers, notes)


def loop_subject(definitions: Definitions, path: str) -> Backprop:
    """Return the training loop of a file as a subject. Raises `UsageError` where its body does not run once."""
    notes = [Note(told) for told in definitions.told]
    stated = stated_error(definitions.source.tree)
    return written_subject(loop_readings(definitions), path, path, definitions.helpers, notes, stated)


def function_subject(definitions: Definitions, path: str, given: Mapping[str, Any]) -> Backprop:
    """Return the functions of a file as a subject: a network, else one of small sizes, its training loop, its layers.

    Raises `UsageError` where they cannot be called one after the other.
    """
    notes = [Note(told) for told in definitions.told]
    stated = stated_error(definitions.source.tree)
    readings = function_readings(definitions.own, sample_counts(definitions))
    advice = _always_found(definitions)
    try:
        return written_subject(readings, path, path, definitions.helpers, notes, stated, advice)
    except UsageError as error:
        small, counted = small_functions(definitions), function_readings_of_counts(definitions)
        for other in (
            partial(written_subject, small, path, path, definitions.helpers, notes, stated),
            partial(loop_subject, definitions, path) if training_loops(definitions) else None,
            partial(written_subject, counted, path, path, definitions.helpers, notes, stated),
            partial(layers_subject, definitions, function_layers(definitions.own), path, given),
        ):
            try:
                if other is not None:
                    return other()
            except UsageError:
                continue
        raise error


def _always_found(definitions: Definitions) -> str:
    """Return by which names functions are found without being tried, and which of a file's own are near to them."""
    own = [name for name, value in definitions.own.items() if callable(value)]
    near = "" if "loss" in own else nearest("loss", own)
    near = near or ("" if {"step", "gradients"} & {*own} else nearest("step", own))
    return f"loss(params, X, y), with step(params, X, y, lr) or gradients(params, X, y), is always found{near}"
