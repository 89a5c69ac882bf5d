"""Two stacks in one account: one goes without the other noticing, and then nothing is left but what config keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.inventory import alike

if TYPE_CHECKING:
    from tests.engine.story import Story


def test_a_stack_destroyed_beside_another_leaves_that_one_untouched(story: Story) -> None:
    before, after = story.side_by_side
    account = story.checkout.account
    assert any("strata-first-" in name for name in before)
    assert after.keys() == before.keys()
    assert alike(after, account) == alike(before, account)
    assert story.preview().ok().changed == {}


def test_a_destroyed_stack_leaves_nothing_but_the_layer_versions_that_config_keeps(story: Story) -> None:
    left = story.destroyed
    assert all(name.startswith("lambda/layer/strata-first-openai-pinecone-") for name in left), sorted(left)
    assert len(left) == 1
