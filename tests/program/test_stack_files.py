"""What the committed stack files leave to whoever owns the account."""

from __future__ import annotations

import json
import re

import yaml

from components.settings import load_settings
from components.systems import SYSTEMS
from tests.program.conftest import ROOT, stack_config

TO_FILL_IN = ("aws:allowedAccountIds", "alarm_topic_arn")
PROD = ROOT / "Pulumi.prod.yaml"


def test_the_lines_of_prod_that_only_its_owner_can_fill_in_load_once_they_are() -> None:
    """The repository knows neither account nor topic, and prod had neither line."""
    config = stack_config("prod")
    assert "aws:allowedAccountIds" not in config
    assert "alarm_topic_arn" not in config["strata:observability"]
    filled, count = re.subn(rf"(?m)^( +)# ({'|'.join(TO_FILL_IN)}: )", r"\1\2", PROD.read_text())
    assert count == len(TO_FILL_IN)
    values = yaml.safe_load(filled)["config"]
    [account] = values["aws:allowedAccountIds"]
    assert isinstance(account, str), "as a number it would lose the zeros that it begins with"
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    settings = load_settings(config, {name: system.settings for name, system in SYSTEMS.items()}, stack="prod")
    assert settings.observability.alarm_topic_arn == f"arn:aws:sns:{values['aws:region']}:{account}:strata-prod-alarms"


def test_the_document_has_both_among_the_steps_of_a_new_stack() -> None:
    step = (ROOT / "docs" / "deploy.md").read_text().split("## 3. The stack")[1].split("\n## ")[0]
    assert all(key in step for key in TO_FILL_IN)
    assert PROD.name in step
