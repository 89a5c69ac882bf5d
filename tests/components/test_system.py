"""What all systems have in common: read and checked first, neighbours before those who ask for them."""

from __future__ import annotations

import json
from graphlib import CycleError
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from components.bucket_trigger import ObjectFilter
from components.fields import secret, variable, variable_text
from components.function_settings import FunctionSettings, Reference, SecretReference
from components.house import House, SystemArgs
from components.package import Folder, Image, Zip, read_package
from components.queue_trigger import QueueKeys, QueueTrigger, QueueTriggerArgs
from components.settings import load_settings
from components.system import System, prepare, registration_order
from components.validation import SettingsError
from lambdas.shared.contract import Variable
from layer_builds.__main__ import parser
from layer_builds.plan import LISTING, LayerBuildError, Target, image_digest, image_tag
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.harness import Build, Program
    from tests.layers import FixtureLayers

TARGET = Target("python3.13", "arm64")
SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"
BASE = f"public.ecr.aws/lambda/python@sha256:{'0' * 64}"


IMAGES = json.dumps({"bases": {TARGET.runtime: BASE}})


class MailSettings(FunctionSettings):
    """A section with one of everything."""

    wired = ("NEIGHBOUR_QUEUE_URL",)

    max_pages: int = variable(Variable("MAX_PAGES", 3, at_least=1, at_most=10), "Pages of a letter.")
    languages: list[str] = variable("LANGUAGES", "Languages.", default=list)
    token: Reference | None = secret("API_TOKEN")


class Sender(pulumi.ComponentResource):
    """A system that another one sends to."""

    def __init__(self, name: str, args: SystemArgs[FunctionSettings], house: House) -> None:
        super().__init__("strata:components:Sender", name)
        child = pulumi.ResourceOptions(parent=self)
        function = house.function(name, args, opts=child)
        QueueTrigger(name, QueueTriggerArgs(function=function, keys=QueueKeys()), child)
        self.register_outputs({})


class Mail(pulumi.ComponentResource):
    """A system that sends to its neighbour when there is one."""

    wired: Mapping[str, str] = {}

    def __init__(self, name: str, args: SystemArgs[MailSettings], house: House) -> None:
        super().__init__("strata:components:Mail", name)
        neighbour = house.of("sender")
        url = neighbour.queue.queue.url if neighbour is not None and neighbour.queue is not None else None
        wired = {"NEIGHBOUR_QUEUE_URL": url} if url is not None else {}
        house.function(name, args, wired={**wired, **type(self).wired}, opts=pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


class Archive(pulumi.ComponentResource):
    """A system that reads a bucket of the stack."""

    def __init__(self, name: str, args: SystemArgs[FunctionSettings], house: House) -> None:
        super().__init__("strata:components:Archive", name)
        bucket = house.bucket("letters")
        child = pulumi.ResourceOptions(parent=self)
        function = house.function(name, args, statements=house.reading(bucket, "in/"), opts=child)
        bucket.tell(function, ObjectFilter(prefix="in/"))
        self.register_outputs({})


def tag_of(system: str, package: Image) -> str:
    return image_tag(image_digest(read_package(system, package, TARGET).image, BASE))


@pytest.fixture
def world(tmp_path: Path, layers: FixtureLayers, monkeypatch: pytest.MonkeyPatch) -> FixtureLayers:
    """A repository of two functions, and layers of its own."""
    root = tmp_path / "repository"
    for system in ("read_mail", "sender"):
        for path in ("lambdas/__init__.py", f"lambdas/{system}/handler.py", f"lambdas/{system}/lambda_function.py"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("x = 1\n")
    monkeypatch.setattr(read_package, "__kwdefaults__", {"repository": root, "layers_root": layers.root})
    layers.add("tools")
    return layers


def systems(package: Any = None, **needs: tuple[str, ...]) -> dict[str, System[Any]]:
    mail: System[Any] = System(MailSettings, Mail, package=package or Zip(("tools",)), **needs)
    return {"read_mail": mail, "sender": System(FunctionSettings, Sender, package=Zip(("tools",)))}


def deploy(build: Build, table: Mapping[str, System[Any]], config: Mapping[str, str], **options: Any) -> Program:
    def body() -> None:
        models = {name: system.settings for name, system in table.items()}
        settings = load_settings(config, models, stack="test")
        register = prepare(table, settings)
        house = House(settings)
        register(house)
        pulumi.export("functions", house.exports()["functions"])

    return build(body, **options)


def refused(build: Build, table: Mapping[str, System[Any]], config: Mapping[str, str]) -> str:
    with pytest.raises(SettingsError) as error:
        deploy(build, table, config)
    assert build.last.resources == []
    return str(error.value)


def test_what_a_field_says_becomes_a_variable_a_reference_and_a_grant(build: Build, world: FixtureLayers) -> None:
    config = {"strata:read_mail": '{"max_pages": 5, "languages": ["en", "de"]}'}
    program = deploy(build, systems(), config)
    variables = program.one("Function").inputs["environment"]["variables"]
    assert variables == {
        "MAX_PAGES": "5",
        "LANGUAGES": "en,de",
        "API_TOKEN_SECRET_ARN": f"{SECRETS}:strata-test-read-mail-api-token-0a1b2c-AbCdEf",
        "POWERTOOLS_SERVICE_NAME": "strata-test-read-mail",
        "POWERTOOLS_METRICS_NAMESPACE": "Strata",
        "STRATA_STACK": "test",
        "TIKTOKEN_CACHE_DIR": "/opt/tiktoken",
    }
    assert "ReadSecrets" in program.one("RolePolicy").inputs["policy"]
    assert program.exports["functions"]["read_mail"]["secrets"] == {"API_TOKEN": variables["API_TOKEN_SECRET_ARN"]}
    assert MailSettings.own_variables() >= {"MAX_PAGES", "API_TOKEN_PARAMETER", "NEIGHBOUR_QUEUE_URL", "STRATA_STACK"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, None), ("", None), ([], None), (2.5, "2.5"), (20.0, "20"), (True, "true"), (3, "3"), (["a", "b"], "a,b")],
)
def test_a_value_has_one_form_as_a_variable_and_nothing_sets_none(value: object, text: str | None) -> None:
    assert variable_text(value) == text


def test_a_reader_of_a_bucket_may_decrypt_what_the_stacks_key_encrypts(build: Build, world: FixtureLayers) -> None:
    table = {"read_mail": System(FunctionSettings, Archive, package=Zip(("tools",)))}
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0b2d9a3e-0000-4000-8000-000000000000"
    found: list[list[dict[str, Any]]] = []
    for config in ({}, {"strata:secrets": json.dumps({"kms_key_arn": key})}):
        program = deploy(build, table, {"strata:read_mail": "{}", **config})
        (policy,) = [each for each in program.all("RolePolicy") if "ReadObjects" in each.inputs["policy"]]
        found.append(json.loads(policy.inputs["policy"])["Statement"])
    plain, with_key = found
    (objects,) = [statement for statement in plain if statement["Sid"] == "ReadObjects"]
    assert objects["Action"] == ["s3:GetObject"], "listing is not granted"
    assert objects["Resource"] == ["arn:aws:s3:::strata-test-letters-bucket-0a1b2c/in/*"]
    (decrypt,) = [statement for statement in with_key if statement not in plain]
    assert (decrypt["Action"], decrypt["Resource"]) == (["kms:Decrypt"], [key])
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}


def test_a_neighbour_is_registered_first_and_found_where_the_stack_has_it(build: Build, world: FixtureLayers) -> None:
    both = {"strata:read_mail": "{}", "strata:sender": "{}"}
    program = deploy(build, systems(uses=("sender",)), both)
    functions = {each.name: each.inputs["environment"]["variables"] for each in program.all("Function")}
    assert functions["read-mail-function"]["NEIGHBOUR_QUEUE_URL"].endswith("/strata-test-sender-queue-0a1b2c")
    alone = deploy(build, systems(uses=("sender",)), {"strata:read_mail": "{}"})
    assert "NEIGHBOUR_QUEUE_URL" not in alone.one("Function").inputs["environment"]["variables"]


def test_a_neighbour_that_is_needed_and_missing_is_a_problem_of_the_config(build: Build, world: FixtureLayers) -> None:
    message = refused(build, systems(needs=("sender",)), {"strata:read_mail": "{}"})
    assert "strata:read_mail needs the system sender, which this stack does not have: add a strata:sender" in message


def test_systems_that_ask_for_each_other_are_a_mistake() -> None:
    left: System[Any] = System(FunctionSettings, Sender, package=Zip(()), uses=("right",))
    right: System[Any] = System(FunctionSettings, Sender, package=Zip(()), needs=("left",))
    with pytest.raises(CycleError):
        registration_order({"left": left, "right": right})


def test_a_variable_that_the_settings_do_not_declare_is_a_mistake(
    build: Build, world: FixtureLayers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mail, "wired", {"SURPRISE": "x"})
    with pytest.raises(ValueError, match=r"MailSettings\.wired does not declare SURPRISE"):
        deploy(build, systems(), {"strata:read_mail": "{}"})


def test_all_systems_problems_come_in_one_message(build: Build, world: FixtureLayers) -> None:
    big = json.dumps({"environment": {"BIG": "x" * 4_000}})
    message = refused(build, systems(needs=("sender",)), {"strata:read_mail": big})
    assert "strata:read_mail needs the system sender" in message
    assert "strata:read_mail: the environment's size is 4" in message


def test_a_variable_that_a_layer_sets_cannot_be_overridden(build: Build, world: FixtureLayers) -> None:
    config = {"strata:sender": '{"environment": {"TIKTOKEN_CACHE_DIR": "/tmp"}}'}
    assert "sets TIKTOKEN_CACHE_DIR, which its layers set" in refused(build, systems(), config)


def test_a_layer_whose_name_would_be_too_long_is_a_problem_of_the_config(build: Build, world: FixtureLayers) -> None:
    layer = world.add("-".join(["word"] * 9))
    message = refused(build, systems(Zip((layer.name,))), {"strata:read_mail": "{}"})
    assert "strata:read_mail: the layer's name" in message
    assert "more than 64" in message


def test_a_system_that_would_be_too_large_is_refused_as_a_zip_only(build: Build, world: FixtureLayers) -> None:
    world.add("huge", unzipped_bytes=262_144_000)
    with pytest.raises(LayerBuildError, match="function read_mail and its layers are 262,144,0"):
        deploy(build, systems(Zip(("huge",))), {"strata:read_mail": "{}"})
    config = {"strata:read_mail": "{}", "strata:images": IMAGES}
    assert deploy(build, systems(Image(("huge",))), config).one("Function").inputs["packageType"] == "Image"


def test_the_package_can_be_config(build: Build, world: FixtureLayers) -> None:
    def package(settings: MailSettings) -> Zip | Image:
        return Image(("tools",)) if settings.max_pages > 5 else Zip(("tools",))

    assert "packageType" not in deploy(build, systems(package), {"strata:read_mail": "{}"}).one("Function").inputs
    message = refused(build, systems(package), {"strata:read_mail": '{"max_pages": 6}'})
    assert "strata:images.bases has no python3.13: set it to Lambda's base image by its digest" in message


def test_an_image_is_pushed_under_the_digest_of_all_that_is_in_it(build: Build, world: FixtureLayers) -> None:
    config = {"strata:read_mail": "{}", "strata:images": IMAGES}
    program = deploy(build, systems(Image(("tools",))), config)
    publish = program.one("Command").inputs
    tag = tag_of("read_mail", Image(("tools",)))
    url = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/strata-test-read-mail-images-0a1b2c"
    assert publish["triggers"] == [tag, url]
    assert publish["create"] == (
        f"uv run --frozen python -m layer_builds publish-image read_mail --tag {tag} --runtime python3.13 "
        f"--architecture arm64 --base {BASE} --handler lambdas.read_mail.handler.handler --builder native "
        f"--layer tools --repository {url} --account {ACCOUNT} --region {REGION}"
    )
    assert program.one("Function").inputs["imageUri"] == f"{url}:{tag}"
    assert "read-mail-image-publish" in program.behind(program.one("Function"))
    repository = program.one("Repository").inputs
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    assert not program.all("LayerVersion")
    other_handler, other_system = Image(("tools",), "lambda_function.handler"), Image(("tools",))
    assert len({tag, tag_of("read_mail", other_handler), tag_of("sender", other_system)}) == 3


def test_a_model_folder_and_how_layers_are_built_are_passed_on(
    build: Build, world: FixtureLayers, tmp_path: Path
) -> None:
    model = tmp_path / "repository/models/tiny"
    model.mkdir(parents=True)
    entry = {"bytes": 3_000_000_000, "sha256": "ab" * 32}
    (model / LISTING).write_text(json.dumps({"made_by": "make model", "files": {"model.onnx": entry}}))
    package = Image(("tools",), folders=(Folder("model", "models/tiny"),))
    config = {"strata:read_mail": "{}", "strata:images": IMAGES, "strata:layers": '{"builder": "docker"}'}
    create = deploy(build, systems(package), config).one("Command").inputs["create"]
    assert " --builder docker --layer tools --folder model=models/tiny --repository " in create
    assert str(tmp_path) not in create
    (model / LISTING).write_text("{}")
    with pytest.raises(LayerBuildError, match=r"models/tiny/files\.json is not a list of files"):
        deploy(build, systems(package), config)


def test_the_command_that_the_program_writes_is_one_that_the_builder_reads(build: Build, world: FixtureLayers) -> None:
    config = {"strata:read_mail": "{}", "strata:images": IMAGES}
    words = deploy(build, systems(Image(("tools",))), config).one("Command").inputs["create"].split()
    given = parser().parse_args(words[words.index("publish-image") :])
    assert (given.system, given.layer, given.folder, given.base) == ("read_mail", ["tools"], [], BASE)
    assert given.tag == tag_of("read_mail", Image(("tools",)))


def test_a_handler_outside_lambdas_lies_at_the_root_of_the_package(world: FixtureLayers) -> None:
    package = read_package("read_mail", Zip(("tools",), "lambda_function.lambda_handler"), TARGET)
    assert set(package.code.files) == {"lambda_function.py", "lambdas/__init__.py", "lambdas/read_mail/handler.py"}
    with pytest.raises(ValueError, match=r"there is no absent\.py in the package of read_mail"):
        read_package("read_mail", Zip((), "absent.handler"), TARGET)


def test_given_secrets_are_planned_with_their_own_length(build: Build, world: FixtureLayers) -> None:
    section = MailSettings(token=SecretReference(parameter="/team/token"))
    assert dict(section.secrets()) == {"API_TOKEN": SecretReference(parameter="/team/token")}
    program = deploy(build, systems(), {"strata:read_mail": '{"token": {"parameter": "/team/token"}}'})
    assert program.one("Function").inputs["environment"]["variables"]["API_TOKEN_PARAMETER"] == "/team/token"
    assert not program.all("Secret")
