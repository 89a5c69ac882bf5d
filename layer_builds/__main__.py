"""`python -m layer_builds`: lock, digest, build, verify, report and publish layers."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from typing import TYPE_CHECKING

from layer_builds import audit
from layer_builds.digest import digest_inputs, layer_digest
from layer_builds.errors import LayerBuildError
from layer_builds.locks import modules_text
from layer_builds.manifest import load_manifest
from layer_builds.spec import LAYERS_DIR, before, joined, layer_names, load_layer
from layer_builds.targets import ALL_TARGETS, ARCHITECTURES, RUNTIMES, Target, host_architecture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from layer_builds.build import BuiltLayer
    from layer_builds.console import Screen
    from layer_builds.manifest import ManifestEntry
    from layer_builds.processes import Runner
    from layer_builds.spec import LayerSpec

EXAMPLES = """\
examples:
  python -m layer_builds build openai-pinecone              for the newest runtime on this machine's CPU
  python -m layer_builds build --all                        every layer, for every runtime and CPU
  python -m layer_builds report openai-pinecone             what fills it
  python -m layer_builds lock openai-pinecone --upgrade     take new versions, and say what old runtimes hold back
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what is wrong goes to stderr in words, and gives 1."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except LayerBuildError as error:
        print(f"error: {_from_root(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _from_root(text: object) -> str:
    """Files of layers as they are called in the repository: it may be a copy that is gone when this is read."""
    return str(text).replace(str(LAYERS_DIR), LAYERS_DIR.relative_to(LAYERS_DIR.parent.parent).as_posix())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m layer_builds", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(required=True, metavar="command")
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument(
        "layers", nargs="*", metavar="LAYER", help="names in layer_builds/layers; all of them by default"
    )
    which.add_argument("--runtime", choices=RUNTIMES, help="one runtime")
    which.add_argument("--architecture", choices=ARCHITECTURES, help="one CPU")
    which.add_argument("--all", action="store_true", help="every runtime and CPU")
    which.add_argument("--json", action="store_true", help="for machines, on stdout")
    compiler = argparse.ArgumentParser(add_help=False)
    compiler.add_argument(
        "--compiler", choices=("pinned", "running"), default="pinned",
        help="which Python makes the bytecode; `running` is for local stacks, and leaves the manifest alone",
    )  # fmt: skip
    builder = argparse.ArgumentParser(add_help=False)
    builder.add_argument("--builder", choices=("native", "docker"), default="native")

    lock = commands.add_parser("lock", parents=[which], help="resolve requirements.in, and record what to compile")
    lock.add_argument("--upgrade", action="store_true", help="take the newest versions instead of keeping today's")
    lock.set_defaults(command=_lock)
    digest = commands.add_parser("digest", parents=[which, compiler], help="name the bytes that a build gives")
    digest.set_defaults(command=_digest)
    build = commands.add_parser(
        "build", parents=[which, compiler, builder], help="build, check, and write the manifest"
    )
    build.add_argument(
        "--check", action="store_true", help="fail where manifest.json is not of this build, and write nothing"
    )
    build.add_argument("--force", action="store_true", help="build although the digest is there already")
    build.set_defaults(command=_build)
    verify = commands.add_parser("verify", parents=[which, compiler], help="check finished archives as a stranger's")
    verify.set_defaults(command=_verify)
    report = commands.add_parser("report", parents=[which], help="what fills a layer, from its manifest")
    report.set_defaults(command=_report)
    publish = commands.add_parser("publish", parents=[compiler, builder], help="build when needed, and upload")
    publish.add_argument("layer", metavar="LAYER")
    publish.add_argument("--runtime", choices=RUNTIMES, required=True)
    publish.add_argument("--architecture", choices=ARCHITECTURES, required=True)
    publish.add_argument("--bucket", required=True)
    publish.add_argument("--account", required=True, help="the AWS account that it has to be, twelve digits")
    publish.add_argument("--region", required=True)
    publish.add_argument("--profile")
    publish.set_defaults(command=_publish)
    sbom = commands.add_parser("sbom", parents=[which, compiler, builder], help="what is in a layer: CycloneDX 1.6")
    sbom.add_argument("--output", metavar="FOLDER", help="where to write; .build/sbom by default")
    sbom.set_defaults(command=_sbom)
    licences = commands.add_parser("licences", parents=[which, compiler, builder], help="licences, copyleft flagged")
    licences.add_argument(
        "--fail-on", action="append", metavar="KIND", choices=("weak", "strong", "network", "restricted", "unknown"),
        help="weak, strong, network (copyleft), restricted or unknown; by default all but weak",
    )  # fmt: skip
    licences.add_argument("--accept", action="append", default=[], metavar="PACKAGE", help="looked at, and fine")
    licences.set_defaults(command=_licences)
    audited = commands.add_parser("audit", help="known vulnerabilities of what the locks pin")
    audit.add_arguments(audited)
    audited.set_defaults(command=audit.command)
    qemu = commands.add_parser("qemu-root", parents=[which], help="unpack a Python for another CPU, for its smoke call")
    qemu.set_defaults(command=_qemu_root)
    return parser


def _layers(options: argparse.Namespace) -> list[LayerSpec]:
    return [load_layer(name) for name in (options.layers or layer_names())]


def _targets(options: argparse.Namespace, *, everything: bool = False) -> list[Target]:
    """What the options say; by default everything, or the newest runtime on this machine's CPU."""
    if options.all or everything:
        chosen = ALL_TARGETS
    elif options.runtime or options.architecture:
        return [
            Target(runtime, architecture)
            for runtime in ([options.runtime] if options.runtime else RUNTIMES)
            for architecture in ([options.architecture] if options.architecture else ARCHITECTURES)
        ]
    else:
        return [Target(list(RUNTIMES)[-1], host_architecture())]
    return [
        target
        for target in chosen
        if options.runtime in {None, target.runtime} and options.architecture in {None, target.architecture}
    ]


def _compiler(options: argparse.Namespace) -> str | None:
    return platform.python_version() if options.compiler == "running" else None


def _screen(options: argparse.Namespace) -> Screen:
    from layer_builds.console import Screen  # noqa: PLC0415 - `digest` answers without it

    return Screen(plain=getattr(options, "json", False))


def _log_runner(name: str) -> Runner:
    from layer_builds.interpreters import BUILD_DIR  # noqa: PLC0415
    from layer_builds.processes import Log, Processes  # noqa: PLC0415

    return Processes(Log(BUILD_DIR / f"{name}.log"))


def _lock(options: argparse.Namespace) -> int:
    from layer_builds import resolve  # noqa: PLC0415
    from layer_builds.interpreters import runtime_lock  # noqa: PLC0415
    from layer_builds.record import record_modules  # noqa: PLC0415

    screen, run = _screen(options), _log_runner("lock")
    targets = _targets(options, everything=not (options.runtime or options.architecture))
    asked = {one.name: one for layer in _layers(options) for one in joined(layer)}
    changed: list[str] = []
    held: list[str] = []
    with screen.working() as say:
        for runtime in sorted({target.runtime for target in targets}):
            say(f"lock what stands in for the runtime {runtime}")
            minor = RUNTIMES[runtime].python
            changed += _write(runtime_lock(minor), resolve.lock_runtime(minor, run, upgrade=options.upgrade))
        done: set[tuple[str, Target]] = set()
        for layer in asked.values():
            for target in targets:
                if (layer.name, target) in done:
                    continue
                say(f"lock {layer.name} {target}")
                for name, lock in resolve.lock_group(layer, target, run, upgrade=options.upgrade).items():
                    done.add((name, target))
                    changed += _write(asked[name].lock_path(target), lock.text(target))
                    held += [f"{name}: {one.text(target)}" for one in resolve.held_back(asked[name], target, run, lock)]
        for layer in asked.values():
            for runtime in sorted({target.runtime for target in targets} if layer.bytecode == "imported" else ()):
                modules = record_modules(layer, runtime, run, say)
                changed += _write(layer.modules_path(runtime), modules_text(runtime, list(modules)))
    for line in held:
        screen.note(line)
    if options.json:
        print(json.dumps({"changed": changed, "held_back": held}))
    else:
        print("\n".join(changed) if changed else "nothing changed")
    return 0


def _write(path: object, text: str) -> list[str]:
    from pathlib import Path  # noqa: PLC0415

    file = Path(str(path))
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return []
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="\n")
    return [str(file)]


def _digest(options: argparse.Namespace) -> int:
    compiler = _compiler(options)
    rows = [(layer, target) for layer in _layers(options) for target in _targets(options)]
    digests = [(layer, target, layer_digest(layer, target, compiler)) for layer, target in rows]
    if options.json:
        document = [
            {"layer": one.name, "target": str(target), "digest": digest, "inputs": digest_inputs(one, target, compiler)}
            for one, target, digest in digests
        ]
        print(json.dumps(document))
    else:
        for layer, target, digest in digests:
            print(f"{digest}  {layer.name} {target}")
    return 0


def _build(options: argparse.Namespace) -> int:
    from layer_builds.build import build_layer, update_manifest  # noqa: PLC0415

    screen, compiler = _screen(options), _compiler(options)
    built: list[BuiltLayer] = []
    stale: list[str] = []
    with screen.working() as say:
        for layer in _in_order(_layers(options)):
            ours = [
                build_layer(
                    layer, target, builder=options.builder, compiler=compiler, progress=say, force=options.force
                )
                for target in _targets(options)
            ]  # fmt: skip
            built += ours
            if compiler is None and options.check:
                stale += [f"{layer.name} {one.target}" for one in ours if _is_stale(layer, one)]
            elif compiler is None and update_manifest(layer, ours):
                screen.note(f"{_from_root(layer.manifest_path)} is new: commit it")
    for one in built:
        for note in one.notes:
            screen.note(f"{one.layer} {one.target}: {note}")
    _show(screen, options, [(one.layer, one.target, one.entry, _how(one)) for one in built])
    if stale:
        raise LayerBuildError(
            f"manifest.json is not of today's build of {', '.join(stale)}: run `python -m layer_builds build --all` "
            "and commit it"
        )
    return 0


def _in_order(layers: list[LayerSpec]) -> list[LayerSpec]:
    return sorted(layers, key=lambda layer: len(before(layer)))


def _is_stale(layer: LayerSpec, built: BuiltLayer) -> bool:
    known = load_manifest(layer).entries.get(str(built.target))
    return known is None or {**known.document(), "smoke": ""} != {**built.entry.document(), "smoke": ""}


def _how(built: BuiltLayer) -> str:
    return "cached" if built.hit else f"built in {built.seconds:.1f} s"


def _verify(options: argparse.Namespace) -> int:
    from layer_builds.checks import verify  # noqa: PLC0415

    screen, compiler = _screen(options), _compiler(options)
    rows: list[tuple[str, Target, ManifestEntry, str]] = []
    with screen.working() as say:
        for layer in _in_order(_layers(options)):
            for target in _targets(options):
                say(f"{layer.name} {target}: verify")
                rows.append((layer.name, target, verify(layer, target, compiler=compiler), "verified"))
    _show(screen, options, rows)
    return 0


def _show(screen: Screen, options: argparse.Namespace, rows: list[tuple[str, Target, ManifestEntry, str]]) -> None:
    from layer_builds.console import builds_table  # noqa: PLC0415

    if options.json:
        document = [
            {"layer": layer, "target": str(target), "how": how, **entry.document()}
            for layer, target, entry, how in rows
        ]
        print(json.dumps(document))
    else:
        screen.output.print(
            builds_table([(name, str(one), entry.digest, entry, how) for name, one, entry, how in rows])
        )


def _report(options: argparse.Namespace) -> int:
    from layer_builds.console import contents_document, contents_table  # noqa: PLC0415

    screen = _screen(options)
    rows = [
        (layer.name, target, load_manifest(layer).entry(target))
        for layer in _layers(options)
        for target in _targets(options)
    ]
    if options.json:
        print(
            json.dumps([{"layer": name, "target": str(target), **contents_document(one)} for name, target, one in rows])
        )
    else:
        for name, target, entry in rows:
            screen.output.print(contents_table(name, str(target), entry))
    return 0


def _publish(options: argparse.Namespace) -> int:
    from layer_builds.store import publish  # noqa: PLC0415

    screen = _screen(options)
    with screen.working() as say:
        published = publish(
            load_layer(options.layer),
            Target(options.runtime, options.architecture),
            bucket=options.bucket,
            account=options.account,
            region=options.region,
            profile=options.profile,
            builder=options.builder,
            compiler=_compiler(options),
            progress=say,
        )
    print(json.dumps(published.document()))
    return 0


def _finished(options: argparse.Namespace) -> list[BuiltLayer]:
    """Archives as they are, or built now; the manifest is `build`'s."""
    from layer_builds.build import build_layer  # noqa: PLC0415

    with _screen(options).working() as say:
        return [
            build_layer(layer, target, builder=options.builder, compiler=_compiler(options), progress=say)
            for layer in _in_order(_layers(options))
            for target in _targets(options)
        ]


def _sbom(options: argparse.Namespace) -> int:
    from pathlib import Path  # noqa: PLC0415

    from layer_builds.interpreters import BUILD_DIR  # noqa: PLC0415
    from layer_builds.sbom import write_sboms  # noqa: PLC0415

    paths = write_sboms(_finished(options), Path(options.output) if options.output else BUILD_DIR / "sbom")
    print(json.dumps([str(path) for path in paths]) if options.json else "\n".join(map(str, paths)))
    return 0


def _licences(options: argparse.Namespace) -> int:
    from layer_builds.licences import read_packages, show  # noqa: PLC0415

    reports = [(one.layer, str(one.target), read_packages(one.path)) for one in _finished(options)]
    return show(reports, fail_on=options.fail_on, accepted=options.accept, as_json=options.json)


def _qemu_root(options: argparse.Namespace) -> int:
    from layer_builds import qemu  # noqa: PLC0415

    screen, run = _screen(options), _log_runner("qemu-root")
    other = next(name for name in ARCHITECTURES if name != host_architecture())
    targets = _targets(options) if options.runtime or options.architecture else [Target(one, other) for one in RUNTIMES]
    with screen.working() as say:
        for target in targets:
            if target.facts.python not in qemu.RELEASES:
                screen.note(f"{target}: no Debian release has its Python, so its smoke call is not run here")
                continue
            say(f"unpack Python {target.facts.python} for {target.architecture}")
            print(qemu.prepare(target, run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
