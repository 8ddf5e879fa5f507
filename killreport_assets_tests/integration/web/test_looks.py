"""Every page in Chromium: light and dark, narrow and wide, with JavaScript and without.

No page has a serious finding of axe, sends a request beyond loopback, or is wider than the window.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from killreport_assets.sandbox.world import BODIES_CHARACTER
from killreport_assets.store.announcements import announce
from killreport_assets.web.entities import KINDS
from killreport_assets_testing.browser import CHROMIUM, browsing
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.requirements import missing
from killreport_assets_tests.integration.web.conftest import Site

WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")
SERIOUS = {"serious", "critical"}


class Windows:
    """Windows of one browser, which let no request out."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.left: list[str] = []

    @contextmanager
    def open(self, *, javascript: bool = False) -> Iterator[Page]:
        """A page of a fresh browser."""
        with browsing(javascript=javascript) as page:
            page.context.route("**/*", self._check)
            page.set_default_timeout(60_000)
            yield page

    def _check(self, route: Route) -> None:
        if urlsplit(route.request.url).netloc != self.host:
            self.left.append(route.request.url)
            route.abort()
        else:
            route.continue_()


@pytest.fixture
def windows(site: Site) -> Iterator[Windows]:
    """Windows at the site."""
    if CHROMIUM is None:
        missing("Chromium is not installed: apt install chromium")
    windows = Windows(site.url)
    yield windows
    assert windows.left == []


def _paths(site: Site) -> list[str]:
    most = "select {kind}_id from marts.mart_{kind}_all_time order by kills + losses desc, 1 limit 1"
    entities = [f"/{kind.path}/{site.scalar(most.format(kind=name))}" for name, kind in KINDS.items()]
    fitted = site.scalar("select killmail_id from marts.fct_killmails order by item_row_count desc limit 1")
    crowded = site.scalar("select killmail_id from marts.fct_killmails order by attacker_count desc limit 1")
    region = site.scalar("select region_id from marts.mart_region_all_time order by kills desc limit 1")
    fit = site.scalar("select typical_fit_id from marts.mart_fit_families where fits > 1 order by losses desc limit 1")
    battle = site.scalar("select battle_id from marts.mart_battles order by killmails desc limit 1")
    return [
        f"/fit/{fit}",
        f"/battle/{battle}",
        "/battles",
        *("/", "/kills", "/search?q=sa", "/definitions", "/coverage", "/me", "/api/", "/regions", "/nothing"),
        *(f"/kill/{fitted}", f"/kill/{crowded}", f"/region/{region}", f"{entities[0]}/losses"),
        *entities,
    ]


def test_no_page_has_a_serious_finding_or_is_wider_than_the_window(site: Site, windows: Windows) -> None:
    found: list[str] = []
    with windows.open(javascript=True) as page:
        page.goto(f"{site.url}/me")
        page.evaluate("document.querySelector('main').innerHTML = '<img src=/x><p>pale</p>'")
        page.evaluate("document.querySelector('main p').style.color = '#cccccc'")
        page.evaluate("document.querySelector('main p').style.backgroundColor = '#ffffff'")
        assert {"image-alt", "color-contrast"} <= set(_serious(page))  # it finds what is wrong
        for path in _paths(site):
            page.goto(site.url + path)
            for width, scheme in itertools.product(WIDTHS, SCHEMES):
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                rules = None if (width, scheme) == (WIDTHS[0], SCHEMES[0]) else ["color-contrast"]
                serious = _serious(page, rules)
                found += [f"{path}, {width} px, {scheme}: {rule}: {where}" for rule, where in serious.items()]
                wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                if wider > 0:
                    found.append(f"{path}, {width} px: {wider} px wider than the window")
    assert found == []


def _serious(page: Page, rules: list[str] | None = None) -> dict[str, str]:
    """The serious findings of axe by rule, with the first element that has each."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    violations = Axe().run(page, options=options).response["violations"]
    return {found["id"]: found["nodes"][0]["html"][:120] for found in violations if found["impact"] in SERIOUS}


def test_without_javascript_every_page_can_be_read_and_a_killmail_found(site: Site, windows: Windows) -> None:
    killmail_id = site.scalar("select killmail_id from marts.fct_killmails order by killmail_time desc limit 1")
    with windows.open() as page:
        page.goto(site.url)
        page.get_by_label("Search pilots").fill(str(killmail_id))
        page.get_by_role("button", name="Search").click()
        page.get_by_role("link", name=f"Killmail {killmail_id}").click()
        expect(page.get_by_role("heading", name=f"killmail {killmail_id}")).to_be_visible()
        expect(page.get_by_role("heading", name="Where this comes from")).to_be_visible()
        page.get_by_role("link", name="How total_value is defined").first.click()
        expect(page.locator("dt:target")).to_contain_text("total_value")


def test_with_javascript_new_killmails_are_announced_and_times_can_be_local(site: Site, windows: Windows) -> None:
    with windows.open(javascript=True) as page:
        page.goto(site.url)
        expect(page.locator("#live")).to_be_hidden()
        for _ in range(600):  # the page may not listen yet
            with site.story.warehouse.engine.begin() as connection:
                announce(connection, [435341])
            if page.locator("#live").is_visible():
                break
            page.wait_for_timeout(100)
        expect(page.locator("#live")).to_contain_text("since this page was loaded")
        eve = page.locator("time").first.text_content()
        page.get_by_role("button", name="Local time").click()
        expect(page.locator("time").first).not_to_have_text(eve or "")
        page.reload()
        expect(page.get_by_role("button", name="EVE time")).to_have_attribute("aria-pressed", "true")


def test_a_user_makes_a_token_and_revokes_it(platform: Platform, url: str) -> None:
    if CHROMIUM is None:
        missing("Chromium is not installed: apt install chromium")
    with browsing() as page:
        page.set_default_timeout(60_000)
        page.goto(f"{url}/me")
        page.get_by_role("button", name="Log in with EVE Online").click()
        page.get_by_label("Character").select_option(str(BODIES_CHARACTER))
        page.get_by_role("button", name="Authorize").click()
        page.get_by_label("What is it for?").fill("a <b>script</b>")
        page.get_by_label("It may also request syncs").check()
        page.get_by_role("button", name="Make a token").click()
        expect(page.get_by_role("status")).to_contain_text("kr_")
        assert platform.rows("select name, scopes from ops.api_tokens") == [("a <b>script</b>", ["read", "sync"])]
        page.goto(f"{url}/me")
        expect(page.locator("body")).not_to_contain_text("kr_" + "x")
        page.get_by_role("button", name="Revoke a <b>script</b>").click()
        expect(page.get_by_role("status")).to_contain_text("is revoked")
        assert platform.scalar("select count(*) from ops.api_tokens where revoked_at is null") == 0
