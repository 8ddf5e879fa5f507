"""Fits in GraphQL: the marts' numbers, from a killmail to its fit and back."""

import sqlalchemy as sa

from killreport_assets_tests.integration.web.conftest import Site

DETAILS = """query ($id: String!) { fit(id: $id) {
    shipType { id } moduleCount losses modules { rack units type { name } } variants { fitId }
    newestLosses { killmailId fit { fitId } }
} }"""


def test_the_fits_of_a_hull_are_those_that_were_lost_with_it(site: Site) -> None:
    hull, fits = site.story.warehouse.rows(
        "select ship_type_id, count(*) from marts.mart_fits group by 1 order by 2 desc, 1 limit 1"
    )[0]
    asked = f"{{ fits(shipTypeId: {hull}, first: 100) {{ fitId url losses pilots moduleCount averageFittedValue }} }}"
    found = site.query(asked)["data"]["fits"]
    rows = site.story.warehouse.rows(
        "select fit_id, '/fit/' || fit_id, losses, pilots, module_count, average_zkb_trimmed from marts.mart_fits "
        f"where ship_type_id = {hull} order by losses desc, fit_id"
    )
    assert fits > 1
    assert [tuple(fit.values()) for fit in found] == [(*row[:5], float(row[5])) for row in rows]
    for fit_id in [fit["fitId"] for fit in found][:5]:
        fit = site.query(DETAILS, {"id": fit_id})["data"]["fit"]
        assert fit["shipType"]["id"] == hull
        assert sum(module["units"] for module in fit["modules"]) == fit["moduleCount"]
        assert len(fit["newestLosses"]) == min(fit["losses"], 50)
        assert {loss["fit"]["fitId"] for loss in fit["newestLosses"]} == {fit_id}


def test_a_fit_has_its_variants(site: Site) -> None:
    family = site.scalar("select family_id from marts.mart_fits group by 1 order by count(*) desc, 1 limit 1")
    rows = site.story.warehouse.rows(f"select fit_id from marts.mart_fits where family_id = '{family}'")
    of_family = {fit_id for (fit_id,) in rows}
    assert len(of_family) > 1
    for fit_id in of_family:
        fit = site.query(DETAILS, {"id": fit_id})["data"]["fit"]
        assert {variant["fitId"] for variant in fit["variants"]} == of_family - {fit_id}
    assert site.query(DETAILS, {"id": "none"})["data"]["fit"] is None


def test_a_fit_has_what_it_killed_of_late(site: Site) -> None:
    fit_id, hull = site.story.warehouse.rows("select fit_id, ship_type_id from marts.mart_fits order by 1 limit 1")[0]
    asked = "query ($id: String!) { fit(id: $id) { kills { kills weightedKills finalBlows iskDestroyed } } }"
    assert site.query(asked, {"id": fit_id})["data"]["fit"]["kills"] is None  # the genuine killmails are of years ago
    engine = site.story.warehouse.engine
    with engine.begin() as connection:
        connection.execute(
            sa.text("insert into marts.mart_fit_kills values (:fit_id, :hull, 7, 2.5, 3, 1, 1000, 0, 2, null)"),
            {"fit_id": fit_id, "hull": hull},
        )
        connection.execute(sa.text("update ops.transform_builds set built_at = now()"))  # answers are kept until then
    try:
        found = site.query(asked, {"id": fit_id})["data"]["fit"]["kills"]
        assert found == {"kills": 7, "weightedKills": 2.5, "finalBlows": 3, "iskDestroyed": 1000}
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("delete from marts.mart_fit_kills"))
