"""The sign-in page over HTTP against the sandbox's SSO: what is stored, and what is refused with nothing stored."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from killreport_assets.base.errors import UserError
from killreport_assets.esi.routes import CHARACTER_SCOPE, CORPORATION_SCOPE
from killreport_assets.queues.catalogue import USER_KILLMAILS
from killreport_assets.sandbox.services.sso import CLIENT_SECRET, CONFIDENTIAL_CLIENT
from killreport_assets.sandbox.world import BODIES_CHARACTER, IDS_CHARACTER
from killreport_assets.settings import Settings, load_settings
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.web_server import Visitor, serving


def _stored(platform: Platform) -> tuple[int, ...]:
    tables = ("ops.sign_ins", "ops.tokens", "ops.killmail_lists")
    return tuple(platform.scalar(f"select count(*) from {table}") for table in tables)


def test_signing_in_stores_what_was_granted_and_shows_it(platform: Platform, visitor: Visitor) -> None:
    first = visitor.get().text
    assert "Log in with EVE Online" in first
    assert CHARACTER_SCOPE in first
    authorize = visitor.begin("corporation")
    asked = parse_qs(urlsplit(authorize).query)
    assert asked["scope"] == [f"{CORPORATION_SCOPE} {CHARACTER_SCOPE}"]
    assert (asked["code_challenge_method"], asked["response_type"]) == (["S256"], ["code"])
    assert visitor.come_back(visitor.consent(authorize, BODIES_CHARACTER)).headers["Location"] == "/me"
    page = visitor.get().text
    assert f"Sandbox Pilot {BODIES_CHARACTER} is signed in." in page
    assert CORPORATION_SCOPE in page
    assert "is signed in" not in visitor.get().text  # said once
    assert _stored(platform) == (1, 1, 1)
    user = platform.user(BODIES_CHARACTER)
    assert (user.state, user.corporation_state, user.tier) == ("active", "on", "standard")


def test_character_killmails_only_is_the_default(platform: Platform, visitor: Visitor) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    user = platform.user(BODIES_CHARACTER)
    assert (user.scopes, user.corporation_state) == ([CHARACTER_SCOPE], "not granted")


def test_an_application_with_a_secret_signs_in_too(
    platform: Platform, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLREPORT_SSO_CLIENT_ID", CONFIDENTIAL_CLIENT)
    monkeypatch.setenv("KILLREPORT_SSO_CLIENT_SECRET", CLIENT_SECRET)
    with serving(load_settings(), platform.engine) as url:
        Visitor(url).sign_in(BODIES_CHARACTER)
    assert _stored(platform) == (1, 1, 1)
    monkeypatch.setenv("KILLREPORT_SSO_CLIENT_SECRET", "wrong")
    with serving(load_settings(), platform.engine) as url:
        visitor = Visitor(url)
        answer = visitor.come_back(visitor.consent(visitor.begin(), IDS_CHARACTER))
    assert (answer.status_code, "has to fix it" in answer.text) == (503, True)
    assert "KILLREPORT" not in answer.text  # that is for the operator, in the log


def test_an_empty_secret_is_none(platform: Platform, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_SSO_CLIENT_SECRET", "")
    with serving(load_settings(), platform.engine) as url:
        Visitor(url).sign_in(BODIES_CHARACTER)
    assert _stored(platform) == (1, 1, 1)


def _altered(callback: str, **changes: str) -> str:
    parts = urlsplit(callback)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changes
    return parts._replace(query=urlencode(query)).geturl()


def test_a_wrong_state_is_refused(platform: Platform, visitor: Visitor) -> None:
    callback = visitor.consent(visitor.begin(), BODIES_CHARACTER)
    answer = visitor.come_back(_altered(callback, state="of-another-visitor"))
    assert (answer.status_code, "cannot be finished" in answer.text) == (400, True)
    assert visitor.come_back(callback).status_code == 400  # one try; begin again
    assert _stored(platform) == (0, 0, 0)


def test_a_callback_of_another_browser_is_refused(platform: Platform, url: str, visitor: Visitor) -> None:
    callback = visitor.consent(visitor.begin(), BODIES_CHARACTER)
    victim = Visitor(url)
    victim.get()
    assert victim.come_back(callback).status_code == 400
    assert _stored(platform) == (0, 0, 0)


def test_a_replayed_code_is_refused(platform: Platform, visitor: Visitor) -> None:
    callback = visitor.consent(visitor.begin(), BODIES_CHARACTER)
    cookies = dict(visitor.session.cookies)
    assert visitor.come_back(callback).status_code == 303
    assert visitor.come_back(callback).status_code == 400
    thief = Visitor(visitor.url)
    thief.session.cookies.update(cookies)  # the session as it was before the code was used
    answer = thief.come_back(callback)
    assert (answer.status_code, "finished already" in answer.text) == (400, True)
    with serving(platform.settings, platform.engine) as restarted:  # knows nothing of what was finished before
        thief = Visitor(restarted)
        thief.session.cookies.update(cookies)
        answer = thief.come_back(callback.replace(visitor.url, restarted))
    assert (answer.status_code, "EVE refused this sign-in" in answer.text) == (400, True)
    assert _stored(platform) == (1, 1, 1)


def test_a_sign_in_after_all_are_forgotten_starts_a_new_account(platform: Platform, visitor: Visitor) -> None:
    """Else a copy of the old session would show the next one's characters."""
    visitor.sign_in(BODIES_CHARACTER)
    copy = Visitor(visitor.url)
    copy.session.cookies.update(dict(visitor.session.cookies))
    visitor.post(f"/characters/{BODIES_CHARACTER}/forget")
    visitor.sign_in(IDS_CHARACTER)
    assert "Your characters" in visitor.get().text
    assert "Your characters" not in copy.get().text


def _copy_of(visitor: Visitor) -> Visitor:
    copy = Visitor(visitor.url)
    copy.session.cookies.update(dict(visitor.session.cookies))
    return copy


def test_signing_out_ends_every_copy_of_the_session(platform: Platform, url: str, visitor: Visitor) -> None:
    elsewhere = Visitor(url)
    elsewhere.sign_in(BODIES_CHARACTER)
    visitor.sign_in(BODIES_CHARACTER)
    early_csrf, early = visitor.csrf(), [_copy_of(visitor) for _ in range(3)]
    visitor.sign_in(IDS_CHARACTER)  # the same session goes on
    late_csrf, late = visitor.csrf(), [_copy_of(visitor) for _ in range(3)]
    assert "Your characters" in _copy_of(early[0]).get().text
    assert visitor.post("/sign-out").status_code == 303
    for csrf, (reads, writes, signs_in) in ((early_csrf, early), (late_csrf, late)):
        assert "Your characters" not in reads.get().text
        assert writes.post(f"/characters/{BODIES_CHARACTER}/forget", csrf).status_code == 404
        signs_in.sign_in(1614483120)
        assert signs_in.get().text.count("<h2>") == 1  # an account of its own
    assert "Your characters" not in visitor.get().text
    assert "Your characters" not in elsewhere.get().text  # the same account on another device


def test_what_is_kept_about_ended_sessions_is_deleted_when_their_cookies_have_expired(
    platform: Platform, visitor: Visitor
) -> None:
    for _ in range(2):
        visitor.sign_in(BODIES_CHARACTER)
        visitor.post("/sign-out")
        platform.execute("update ops.ended_sessions set ended_at = ended_at - interval '16 days'")
    assert platform.scalar("select count(*) from ops.ended_sessions") == 1


def test_another_name_of_this_machine_leads_to_the_one_that_eve_knows(visitor: Visitor) -> None:
    other = visitor.url.replace("127.0.0.1", "localhost")
    answer = visitor.session.get(f"{other}/me", allow_redirects=False, timeout=60)
    assert answer.headers["Location"] == f"{visitor.url}/me"


def test_a_wrong_verifier_is_refused(platform: Platform, visitor: Visitor) -> None:
    """The code of one sign-in, brought back into another one of the same browser."""
    code = parse_qs(urlsplit(visitor.consent(visitor.begin(), BODIES_CHARACTER)).query)["code"][0]
    callback = visitor.consent(visitor.begin(), BODIES_CHARACTER)
    answer = visitor.come_back(_altered(callback, code=code))
    assert (answer.status_code, "EVE refused this sign-in" in answer.text) == (400, True)
    assert _stored(platform) == (0, 0, 0)


@pytest.mark.parametrize(
    ("defect", "says"),
    [
        ("alg none", "not signed with one of EVE"),
        ("wrong key", "its signature is wrong"),
        ("wrong audience", "made for another application"),
        ("wrong issuer", "another issuer made it"),
        ("expired", "it has expired"),
        ("future", "it is from the future"),
    ],
)
def test_a_token_that_is_not_eves_for_us_is_refused(
    platform: Platform, sandbox: Sandbox, visitor: Visitor, defect: str, says: str
) -> None:
    callback = visitor.consent(visitor.begin(), BODIES_CHARACTER)
    sandbox.sso(defect=defect)
    answer = visitor.come_back(callback)
    assert (answer.status_code, says in answer.text) == (400, True), answer.text
    assert _stored(platform) == (0, 0, 0)
    assert "Your characters" not in visitor.get().text


def test_an_absent_scope_grants_nothing(platform: Platform, sandbox: Sandbox, visitor: Visitor) -> None:
    callback = visitor.consent(visitor.begin(), BODIES_CHARACTER)
    sandbox.sso(scp="absent")
    assert "granted no access" in visitor.come_back(callback).text
    assert _stored(platform) == (0, 0, 0)


def test_scopes_may_be_a_string_and_the_issuer_bare(platform: Platform, sandbox: Sandbox, visitor: Visitor) -> None:
    callback = visitor.consent(visitor.begin(), BODIES_CHARACTER)
    sandbox.sso(scp="string", issuer=platform.settings.services.sso_url.removeprefix("http://"))
    assert visitor.come_back(callback).status_code == 303
    assert platform.user(BODIES_CHARACTER).scopes == [CHARACTER_SCOPE]


def test_cancelling_at_eve_stores_nothing(platform: Platform, visitor: Visitor) -> None:
    answer = visitor.come_back(visitor.consent(visitor.begin(), BODIES_CHARACTER, "no"))
    assert "You did not sign in" in answer.text
    assert _stored(platform) == (0, 0, 0)


def test_an_sso_that_is_down_is_said(platform: Platform, sandbox: Sandbox, visitor: Visitor) -> None:
    callback = visitor.consent(visitor.begin(), BODIES_CHARACTER)
    sandbox.faults({"path": "/sso/v2/oauth/token", "kinds": ["503"]})
    answer = visitor.come_back(callback)
    assert (answer.status_code, "does not answer" in answer.text) == (502, True)
    assert _stored(platform) == (0, 0, 0)


def test_one_person_sees_only_the_characters_of_one_account(platform: Platform, url: str, visitor: Visitor) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    visitor.sign_in(IDS_CHARACTER)
    assert visitor.get().text.count("<h2>") == 2
    other = Visitor(url)
    other.sign_in(1614483120)
    assert other.get().text.count("<h2>") == 1
    path = f"/characters/{BODIES_CHARACTER}"
    assert other.post(f"{path}/sync").status_code == 404
    assert other.get(f"{path}/forget").status_code == 404
    assert other.post(f"{path}/forget").status_code == 404
    assert _stored(platform) == (3, 3, 3)
    elsewhere = Visitor(url)  # another browser: any character brings all of the account back
    elsewhere.sign_in(IDS_CHARACTER)
    assert elsewhere.get().text.count("<h2>") == 2


def test_a_character_with_another_owner_starts_over(
    platform: Platform, sandbox: Sandbox, url: str, visitor: Visitor
) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    visitor.sign_in(IDS_CHARACTER)
    sandbox.sell(IDS_CHARACTER)
    buyer = Visitor(url)
    buyer.sign_in(IDS_CHARACTER)
    assert buyer.get().text.count("<h2>") == 1  # not the seller's characters
    assert visitor.get().text.count("<h2>") == 1
    assert platform.user(IDS_CHARACTER).account_id != platform.user(BODIES_CHARACTER).account_id


def test_sync_now_goes_to_the_priority_lane(platform: Platform, visitor: Visitor) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    assert visitor.post(f"/characters/{BODIES_CHARACTER}/sync").status_code == 303
    assert "queued to be synced first" in visitor.get().text
    assert platform.message_ids(USER_KILLMAILS, "__urgent") == [f"user_killmails:{BODIES_CHARACTER}"]


def test_an_ended_sign_in_is_not_synced_and_says_why(platform: Platform, visitor: Visitor) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    platform.execute("update ops.sign_ins set state = 'disabled', reason = 'Sold. Sign in again.'")
    answer = visitor.post(f"/characters/{BODIES_CHARACTER}/sync")
    assert (answer.status_code, "Sold. Sign in again." in answer.text) == (400, True)


def test_forgetting_revokes_at_eve_and_deletes(platform: Platform, sandbox: Sandbox, visitor: Visitor) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    platform.queue_due()
    platform.user_killmails()
    path = f"/characters/{BODIES_CHARACTER}/forget"
    assert "Forget" in visitor.get(path).text
    assert _stored(platform) == (1, 1, 1)  # a GET changes nothing
    assert visitor.post(path).status_code == 303
    assert "the grant has ended at EVE" in visitor.get().text
    assert _stored(platform) == (0, 0, 0)
    assert platform.scalar(f"select count(*) from ops.syncs where subject like '%{BODIES_CHARACTER}'") == 0
    platform.esi.close()
    books = "select count(*) from ops.request_tokens where bucket like '%:%:%:%'"
    assert platform.scalar(books) == 1  # who signs in again has spent what was spent
    for table, column in (("request_tokens", "spent_in"), ("request_pace", "next_at")):
        platform.execute(f"update ops.{table} set {column} = {column} - interval '2 hours'")
    platform.queue_due()
    assert platform.scalar(books) == 0
    assert sandbox.statistics()["answers"]["sso 200"] >= 1
    assert platform.scalar("select count(*) from ops.entity_pending where entity_kind = 'user_killmails'") == 0


def test_forgetting_works_when_eve_does_not_answer(platform: Platform, sandbox: Sandbox, visitor: Visitor) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    sandbox.faults({"path": "/sso/v2/oauth/revoke", "kinds": ["503"]})
    visitor.post(f"/characters/{BODIES_CHARACTER}/forget")
    assert "EVE did not end the grant" in visitor.get().text
    assert _stored(platform) == (0, 0, 0)


def test_forms_need_the_token_of_their_session(platform: Platform, url: str, visitor: Visitor) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    others = Visitor(url).csrf()
    for path in (
        "/sign-in",
        "/sign-out",
        f"/characters/{BODIES_CHARACTER}/sync",
        f"/characters/{BODIES_CHARACTER}/forget",
    ):
        for csrf in ("", "guessed", others):
            assert visitor.post(path, csrf).status_code == 403, path
    assert _stored(platform) == (1, 1, 1)


def test_a_form_larger_than_ours_is_not_read(visitor: Visitor) -> None:
    assert visitor.post("/sign-in", grant="x" * 20_000).status_code == 413
    unsized = visitor.session.post(f"{visitor.url}/sign-in", data=iter([b"csrf=x"]), timeout=10)
    assert unsized.status_code == 413


def test_the_session_is_http_only_same_site_and_signed(platform: Platform, visitor: Visitor) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    cookie = visitor.get().headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie  # loopback has no TLS
    forged = visitor.session.cookies["killreport_session"]
    forger = Visitor(visitor.url)
    forger.session.cookies.set("killreport_session", forged[:-2] + ("aa" if forged[-2:] != "aa" else "bb"))
    assert "Your characters" not in forger.get().text


def test_behind_a_proxy_the_cookie_is_secure_and_the_callback_public(
    platform: Platform, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLREPORT_AUTH_URL", "https://killreport.example.org/")
    with serving(load_settings(), platform.engine) as url:
        visitor = Visitor(url)
        page = visitor.get()
        assert "secure" in page.headers["Set-Cookie"].lower()
        assert visitor.session.get(url, headers={"Host": "killreport.example.org"}, timeout=10).status_code == 200
        assert visitor.session.get(url, headers={"Host": "evil.example.org"}, timeout=10).status_code == 400
    with pytest.raises(UserError, match="must be https"):
        load_settings(auth_url="http://killreport.example.org")
    with pytest.raises(UserError, match="a scheme and a host only"):
        load_settings(auth_url="https://killreport.example.org/x")


def test_nothing_redirects_where_a_visitor_says(visitor: Visitor) -> None:
    for name in ("next", "redirect_uri", "url", "return_to"):
        asked = f"?{name}=https://evil.example.org"
        assert "Location" not in visitor.get(f"/me{asked}").headers
        redirect = visitor.post(f"/sign-in{asked}", grant="character", **{name: "https://evil.example.org"})
        assert "evil" not in redirect.headers["Location"]
    assert "evil" not in visitor.get("//evil.example.org").headers.get("Location", "")


def test_pages_say_what_browsers_may_do_with_them(visitor: Visitor) -> None:
    headers = visitor.get().headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")


def test_without_an_application_no_one_can_sign_in_and_all_else_works(platform: Platform, settings: Settings) -> None:
    with serving(settings.with_values(sso_client_id=None), platform.engine) as url:
        visitor = Visitor(url)
        assert "Signing in is not set up here" in visitor.get().text
        assert visitor.get("/").status_code == 200
        assert visitor.post("/sign-in", csrf="of no form").status_code == 403


def test_a_proxy_learns_who_may_use_dagsters_ui(
    platform: Platform, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for admins, expected in ((f"{BODIES_CHARACTER}", 204), ("98000009", 204), ("99000009", 204), ("1,2,3", 403)):
        monkeypatch.setenv("KILLREPORT_ADMINS", admins)
        with serving(load_settings(), platform.engine) as url:
            visitor = Visitor(url)
            assert visitor.get("/auth/verify").status_code == 401
            visitor.sign_in(BODIES_CHARACTER)
            platform.execute("delete from raw.character_affiliations")
            platform.execute(
                "insert into raw.character_affiliations "
                "(character_id, valid_from, corporation_id, alliance_id, confirmed_at) "
                f"values ({BODIES_CHARACTER}, now(), 98000009, 99000009, now())"
            )
            answer = visitor.get("/auth/verify")
            assert (admins, answer.status_code) == (admins, expected)
            if expected == 204:
                assert answer.headers["X-Remote-User-Id"] == str(BODIES_CHARACTER)
            visitor.post("/sign-out")
            assert visitor.get("/auth/verify").status_code == 401
