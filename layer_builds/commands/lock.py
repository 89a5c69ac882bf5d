"""`layer_builds lock`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from layer_builds.commands.options import add_which, chosen_layers, chosen_targets, logged_runner, screen_for
from layer_builds.plan import RUNTIMES, host_architecture, joined_layers, modules_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from layer_builds.host.processes import Runner
    from layer_builds.plan import LayerSpec, Target

HELP = "resolve requirements.in, and list what to compile"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_which(parser)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions instead of keeping today's")


def run(arguments: argparse.Namespace) -> int:
    """Write the locks that changed, and say which."""
    screen, runner = screen_for(arguments), logged_runner("lock")
    layers = {one.name: one for layer in chosen_layers(arguments) for one in joined_layers(layer)}
    everything = not (arguments.runtime or arguments.architecture)
    pairs = [
        (layer, target)
        for layer in layers.values()
        for target in chosen_targets(arguments, layer, everything=everything)
    ]
    upgrade = bool(arguments.upgrade)
    _check_interpreters([target for layer, target in pairs if layer.bytecode == "imported"])
    notes: list[str] = []
    with screen.working() as say:
        changed = _lock_runtimes({target.runtime for _, target in pairs}, runner, say, upgrade=upgrade)
        locked, held = _lock_layers(layers, pairs, runner, say, upgrade=upgrade, notes=notes)
        changed += [*locked, *_list_modules(pairs, runner, say)]
        changed += [path for layer in layers.values() for path in _delete_others(layer)]
    for line in (*dict.fromkeys(notes), *held):
        screen.note(line)
    if arguments.json:
        print(json.dumps({"changed": changed, "held_back": held, "notes": notes}))
    else:
        print("\n".join(changed) if changed else "nothing changed")
    return 0


def _check_interpreters(targets: Sequence[Target]) -> None:
    """Before anything is resolved: what lists the imported modules has to be here."""
    from layer_builds.host.compilers import get_interpreters

    get_interpreters(target.facts.compiler for target in targets)


def _lock_runtimes(
    runtimes: Collection[str], runner: Runner, say: Callable[[str], None], *, upgrade: bool
) -> list[str]:
    from layer_builds.host.interpreters import runtime_lock
    from layer_builds.lock.runtime import lock_runtime

    changed: list[str] = []
    for runtime in sorted(runtimes):
        say(f"lock what stands in for the runtime {runtime}")
        minor = RUNTIMES[runtime].python
        changed += _write(runtime_lock(minor), lock_runtime(minor, runner, upgrade=upgrade))
    return changed


def _lock_layers(
    layers: Mapping[str, LayerSpec],
    pairs: Sequence[tuple[LayerSpec, Target]],
    runner: Runner,
    say: Callable[[str], None],
    *,
    upgrade: bool,
    notes: list[str],
) -> tuple[list[str], list[str]]:
    from layer_builds.lock.held_back import held_back
    from layer_builds.lock.resolve import lock_group

    changed: list[str] = []
    held: list[str] = []
    done: set[tuple[str, Target]] = set()
    # This machine's CPU first: what is in doubt can be installed for it at once.
    for layer, target in sorted(pairs, key=lambda pair: pair[1].architecture != host_architecture()):
        if (layer.name, target) in done:
            continue
        say(f"lock {layer.name} {target}")
        doubtful: list[LayerSpec] = []
        locks = lock_group(layer, target, runner, upgrade=upgrade, say=notes.append, doubt=doubtful.append)
        written = {name: _write(layers[name].lock_path(target), lock.text(target)) for name, lock in locks.items()}
        done.update((name, target) for name in locks)
        changed += [path for paths in written.values() for path in paths]
        for one in doubtful:
            _try_size(one, target, runner, say)
        for name, lock in locks.items():
            # It takes two more resolutions, and says what it said when nothing has moved.
            if written[name] or upgrade:
                held += [f"{name}: {one.text(target)}" for one in held_back(layers[name], target, runner, lock)]
    return changed, held


def _try_size(layer: LayerSpec, target: Target, runner: Runner, say: Callable[[str], None]) -> None:
    """Install what is probably too large, before more is resolved for it; nothing of that is done twice later."""
    if target.architecture == host_architecture():
        from layer_builds.lock.imported import check_installed_size

        say(f"{layer.name} {target} is probably too large for Lambda: it is installed now, to see")
        check_installed_size(layer, target, runner, say)


def _list_modules(pairs: Sequence[tuple[LayerSpec, Target]], runner: Runner, say: Callable[[str], None]) -> list[str]:
    from layer_builds.lock.imported import imported_modules

    changed: list[str] = []
    listed: set[tuple[str, str]] = set()
    for layer, target in pairs:
        if layer.bytecode == "imported" and (layer.name, target.runtime) not in listed:
            listed.add((layer.name, target.runtime))
            modules = imported_modules(layer, target.runtime, runner, say)
            changed += _write(layer.modules_path(target.runtime), modules_text(target.runtime, list(modules)))
    return changed


def _delete_others(layer: LayerSpec) -> list[str]:
    """Delete locks and lists of what the layer is not made for any more."""
    kept = {layer.lock_path(target) for target in layer.targets}
    kept |= {layer.modules_path(runtime) for runtime in layer.runtimes}
    there = [path for folder in ("locks", "modules") for path in sorted((layer.directory / folder).glob("*.txt"))]
    gone = [path for path in there if path not in kept]
    for path in gone:
        path.unlink()
    return [f"{path} (deleted)" for path in gone]


def _write(path: Path, text: str) -> list[str]:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return [str(path)]
