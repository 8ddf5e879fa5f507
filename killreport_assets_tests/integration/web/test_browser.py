"""The whole way of a user in headless Chromium, without JavaScript: sign in, sync, add a character, forget, leave."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from killreport_assets.sandbox.world import BODIES_CHARACTER, IDS_CHARACTER, World
from killreport_assets_testing.browser import CHROMIUM, browsing
from killreport_assets_testing.platform import LONG_IDLE, Platform
from killreport_assets_testing.requirements import missing
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.web_server import serving

WORLD = World()


@pytest.fixture
def page(platform: Platform) -> Iterator[Page]:
    """A fresh browser at the sign-in page."""
    if CHROMIUM is None:
        missing("Chromium is not installed: apt install chromium")
    with serving(platform.settings, platform.engine) as url, browsing() as page:
        page.goto(url + "/me")
        yield page


def _sign_in(page: Page, character_id: int, choice: str = "Only my own killmails") -> None:
    page.get_by_label(choice).check()
    page.get_by_role("button", name="Log in with EVE Online").click()
    expect(page.get_by_role("heading", name="The sandbox's EVE Online")).to_be_visible()
    page.get_by_label("Character").select_option(str(character_id))
    page.get_by_role("button", name="Authorize").click()


def test_the_whole_way_of_a_user(platform: Platform, sandbox: Sandbox, page: Page) -> None:
    expect(page.get_by_role("heading", name="Let KillReport read your killmails")).to_be_visible()
    _sign_in(page, BODIES_CHARACTER, "My own and my corporation's")
    expect(page.get_by_role("status")).to_contain_text(f"Sandbox Pilot {BODIES_CHARACTER} is signed in")
    card = page.locator("section.card")
    expect(card).to_contain_text("esi-killmails.read_corporation_killmails.v1")
    expect(card).to_contain_text("never")  # synced
    platform.queue_due()
    platform.user_killmails(LONG_IDLE)
    platform.corporation_killmails(LONG_IDLE)
    page.reload()
    expect(card.get_by_role("row", name="Own killmails")).to_contain_text("complete")
    expect(card.get_by_role("row", name="Own killmails")).to_contain_text("ago")
    expect(card.get_by_role("row", name="Own killmails")).to_contain_text("in ")
    expect(card.get_by_role("row", name="Corporation's")).to_contain_text("complete")
    platform.execute("update ops.killmail_lists set fresh_until = now() - interval '1 minute'")
    page.get_by_role("button", name="Sync now").click()
    expect(page.get_by_role("status")).to_contain_text("queued to be synced first")
    _sign_in(page, IDS_CHARACTER)
    expect(card).to_have_count(2)
    first = card.filter(has_text=str(BODIES_CHARACTER))
    first.get_by_role("link", name="Forget …").click()
    page.get_by_role("link", name="Keep").click()
    expect(card).to_have_count(2)
    first.get_by_role("link", name="Forget …").click()
    page.get_by_role("button", name="Forget").click()
    expect(page.get_by_role("status")).to_contain_text("the grant has ended at EVE")
    expect(card).to_have_count(1)
    page.get_by_role("button", name="Sign out, on every device").click()
    expect(page.get_by_role("heading", name="Let KillReport read your killmails")).to_be_visible()
    assert platform.rows("select character_id from ops.sign_ins") == [(IDS_CHARACTER,)]
    assert sandbox.statistics()["violations"] == {}


def test_an_ended_sign_in_says_so_and_can_be_renewed(platform: Platform, sandbox: Sandbox, page: Page) -> None:
    _sign_in(page, BODIES_CHARACTER)
    sandbox.end_grants(BODIES_CHARACTER)
    platform.execute("update ops.tokens set expires_at = now()")
    platform.queue_due()
    platform.user_killmails(LONG_IDLE)
    page.reload()
    card = page.locator("section.card")
    expect(card).to_contain_text("EVE no longer accepts this sign-in")
    expect(card.get_by_role("button", name="Sync now")).to_have_count(0)
    _sign_in(page, BODIES_CHARACTER)
    expect(card).not_to_contain_text("no longer accepts")
    expect(card.get_by_role("button", name="Sync now")).to_have_count(1)


def test_cancelling_at_eve_says_so(platform: Platform, page: Page) -> None:
    page.get_by_role("button", name="Log in with EVE Online").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing was granted")
    page.get_by_role("link", name="Back to my page").click()
    expect(page.get_by_role("button", name="Log in with EVE Online")).to_be_visible()
