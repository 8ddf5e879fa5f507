"""The marts over the genuine killmails: increments against a full rebuild, and zKillboard's own flags as an oracle."""

import itertools
from collections import Counter
from datetime import date

import pytest

from killreport_assets.base.files import PACKAGE
from killreport_assets.store.changed_days import forget_built
from killreport_assets.transforms.dictionary import changes
from killreport_assets_testing.story import (
    COMPARED,
    FOR_GOOD,
    KILLMAILS,
    LACKING,
    LACKS,
    LATE,
    LATER,
    MAX_PIECES,
    NOT_AT_FIRST,
    UNCOMMITTED,
    WORLD,
    Story,
    of_day,
)


def test_increments_and_a_full_rebuild_give_the_same_tables(story: Story) -> None:
    assert len(story.incremental) > 50
    assert {name for name, digest in story.incremental.items() if story.rebuilt[name] != digest} == set()
    assert {name for name, digest in story.in_pieces.items() if story.rebuilt[name] != digest} == set()


def test_the_definitions_hold_in_their_hard_cases(story: Story) -> None:
    results = story.warehouse.dbt("test", "--select", "resource_type:unit_test").results
    statuses = [str(result.status) for result in results if result.node.resource_type == "unit_test"]
    assert len(statuses) >= 14
    assert set(statuses) == {"pass"}


def test_a_load_that_began_before_a_build_and_ended_after_it_is_not_missed(story: Story) -> None:
    assert UNCOMMITTED.id not in story.known[0]
    assert UNCOMMITTED.id in story.known[1]


def test_a_late_killmail_is_in_its_days_sums_after_the_next_build(story: Story) -> None:
    assert {LATE.id, LATER.id} & story.known[0] == set()
    assert story.known[1] == set(WORLD.killmails)
    victim = LATE.body["victim"]["corporation_id"]
    [(losses,)] = story.warehouse.rows(
        f"select losses from marts.mart_corporation_daily where killmail_date = '{LATE.day}' "
        f"and corporation_id = {victim}"
    )
    assert losses == sum(k.day == LATE.day and k.body["victim"]["corporation_id"] == victim for k in KILLMAILS)


def test_an_increment_builds_only_the_days_that_changed(story: Story) -> None:
    first = {k.day for k in KILLMAILS if k.id not in NOT_AT_FIRST}
    assert first <= story.changed[0]  # a first build takes all days between them, too
    assert story.changed[1] == {LATER.day}


def test_a_full_refresh_of_years_is_built_in_pieces_the_newest_months_first(story: Story) -> None:
    assert 2 <= len(story.pieces) < MAX_PIECES
    for (first, _, _), (_, last, _) in itertools.pairwise(story.pieces):
        assert last < first.replace(day=1)
    assert sum(count for _, _, count in story.pieces) >= len({k.day for k in KILLMAILS})


def test_how_whole_a_day_is_can_be_joined(story: Story) -> None:
    rows = story.warehouse.rows("""
        select killmail_date, known_killmails, stored_killmails, missing_for_good, coverage, is_complete,
            from_r2z2 + from_everef + from_zkillboard + from_esi
        from marts.fct_completeness order by 1
    """)
    days = {row[0]: row[1:] for row in rows}
    assert days.keys() == {k.day for k in KILLMAILS}
    assert all(row[1] == of_day(day) == row[-1] for day, row in days.items())
    assert days[COMPARED][2:5] == (0, 1.0, True)
    stored = of_day(LACKING)
    assert days[LACKING] == (stored + LACKS, stored, FOR_GOOD, stored / (stored + LACKS), False, stored)
    assert {row[3:5] for day, row in days.items() if day not in {COMPARED, LACKING}} == {(None, False)}


def test_a_build_is_due_while_something_is_new_and_not_after(story: Story) -> None:
    first, with_uncommitted, nightly_left = story.due
    assert first
    assert with_uncommitted
    assert nightly_left  # the last increment left the nightly models to the night
    known = story.warehouse.rows("select cadence from ops.transform_builds order by 1")
    assert known == [("battles",), ("frequent",), ("nightly",)]


def test_npc_solo_and_awox_are_zkillboards_on_every_killmail_with_its_block(story: Story) -> None:
    rows = story.warehouse.rows("""
        select k.killmail_id, k.is_npc_zkb, z.npc, k.is_solo_zkb, z.solo, k.is_awox, z.awox
        from marts.fct_killmails k join raw.zkillboard_values z using (killmail_id)
    """)
    assert len(rows) == 315
    assert [row for row in rows if row[1] != row[2] or row[3] != row[4] or row[5] != row[6]] == []


def test_points_are_those_of_zkillboards_code_and_of_most_of_its_blocks(story: Story) -> None:
    # The blocks are of 2018, when its code counted otherwise where NPCs are on the killmail.
    [(blocks, agreeing)] = story.warehouse.rows("""
        select count(*), count(*) filter (where points = zkillboard_points)
        from marts.fct_killmails where zkillboard_points is not null
    """)
    assert blocks == 315
    assert agreeing == 295


def test_a_places_damage_is_that_of_all_attackers(story: Story) -> None:
    done: dict[tuple[date, int], int] = {}
    for killmail in KILLMAILS:
        place = (killmail.day, killmail.body["solar_system_id"])
        done[place] = done.get(place, 0) + sum(attacker["damage_done"] for attacker in killmail.body["attackers"])
    assert len(done) > 100
    rows = story.warehouse.rows("select killmail_date, system_id, damage_done from marts.mart_system_daily")
    assert {(day, system): damage for day, system, damage in rows} == done


def test_zkillboards_ratios_count_what_it_counts(story: Story) -> None:
    # Recomputed from the killmails' flags: PvP only, lone attackers who are not solo left out of the gang sizes.
    rows = story.warehouse.rows("""
        with kills as (
            select distinct a.character_id, k.killmail_id, k.is_solo_zkb, k.attackers_band_zkb
            from marts.fct_attackers a join marts.fct_killmails k using (killmail_id)
            where k.is_pvp_zkb and a.character_id is not null
        ), sizes as (
            select character_id, count(*) filter (where is_solo_zkb) as solo, count(*) as kills,
                   sum(case when is_solo_zkb then 1 else cast(rtrim(attackers_band_zkb, '+') as integer) end) as bounds
            from kills where attackers_band_zkb <> '1' group by 1
        )
        select count(*),
               count(*) filter (where m.average_gang_size_zkb = cast(round(1.0 * s.bounds / s.kills, 1) as float8)
                                  and m.solo_ratio_zkb = cast(round(100.0 * s.solo / s.kills, 1) as float8))
        from sizes s join marts.mart_character_all_time m using (character_id)
    """)
    [(characters, agreeing)] = rows
    assert characters > 2000
    assert agreeing == characters


def test_what_has_no_price_is_unknown(story: Story) -> None:
    rows = story.warehouse.rows("""
        select price_method, count(*) filter (where hull_value is null),
               count(*) filter (where unpriced_value_share > 0)
        from marts.fct_killmail_values_by_method group by 1
    """)
    unpriced_hulls, shares = ({row[0]: row[column] for row in rows} for column in (1, 2))
    # ESI's prices of a later day, which the story observes for every type, are a fallback for the other two methods.
    assert unpriced_hulls["forge_average"] > 100
    assert unpriced_hulls["zkb_trimmed"] == unpriced_hulls["esi_average"] == 0
    assert min(shares.values()) > 20


def test_every_table_and_column_is_described_in_the_database(story: Story) -> None:
    [(schemas, described, undescribed)] = story.warehouse.rows("""
        with relations as (
            select c.oid, n.nspname as schema, c.relname as name
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname in ('raw', 'ops', 'staging', 'intermediate', 'marts') and c.relkind in ('r', 'v', 'm', 'p')
                and not c.relispartition
        ), described as (
            select schema, name, null as of_column, obj_description(oid, 'pg_class') as text from relations
            union all
            select r.schema, r.name, a.attname, col_description(r.oid, a.attnum)
            from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
        )
        select count(distinct schema), count(*),
            array_agg(concat_ws('.', schema, name, of_column)) filter (where text is null)
        from described
    """)
    assert (schemas, described > 1_500, undescribed) == (5, True, None)


def test_every_disagreement_with_zkillboard_is_listed(story: Story) -> None:
    query = (PACKAGE / "cli" / "queries" / "zkillboard_disagreements.sql").read_text()
    rows = story.warehouse.rows(query)
    assert 0 < len(rows) <= 0.07 * 315


def test_a_name_that_came_after_a_build_is_in_every_row_with_the_next_one(story: Story) -> None:
    # The names came after the first build, whose days the later ones did not build again.
    unnamed = "select count(*), count(*) filter (where entity_name is null) from marts.{}"
    for mart in ("mart_character_daily", "mart_corporation_all_time", "mart_alliance_monthly", "mart_systems"):
        [(rows, without)] = story.warehouse.rows(unnamed.format(mart))
        assert rows > 100, mart
        assert without == 0, mart
    [(pairs, without)] = story.warehouse.rows("""
        select count(*), count(*) filter (where attacker_name is null or victim_name is null)
        from marts.mart_rivalries
    """)
    assert pairs > 1_000
    assert without == 0


def test_no_sum_of_isk_counts_a_killmail_three_times(story: Story) -> None:
    [(rows, killmails, isk)] = story.warehouse.rows(
        "select count(*), count(distinct killmail_id), sum(total_value) from marts.fct_killmail_values"
    )
    assert rows == killmails == len(WORLD.killmails)
    assert story.warehouse.rows("select sum(total_value) from marts.fct_killmails") == [(isk,)]
    methods = story.warehouse.rows("select price_method, count(*) from marts.fct_killmail_values_by_method group by 1")
    assert dict(methods) == dict.fromkeys(("zkb_trimmed", "forge_average", "esi_average"), killmails)


KEYS = """
    select c.relname, k.contype::text, k.conenforced, count(*)
    from pg_class c left join pg_constraint k on k.conrelid = c.oid and k.contype in ('p', 'f')
    where c.relnamespace = 'marts'::regnamespace and c.relkind = 'r'
    group by 1, 2, 3
"""


def test_business_intelligence_tools_find_primary_and_foreign_keys(story: Story) -> None:
    story.warehouse.dbt("run", "--select", "dim_systems", "--full-refresh")  # drops the keys that refer to it
    keys = {(table, kind): (is_enforced, count) for table, kind, is_enforced, count in story.warehouse.rows(KEYS)}
    marts = {table for table, _ in keys if not table.startswith("mart_metric")}
    assert len(marts) > 30
    assert {table for table in marts if keys.get((table, "p")) != (True, 1)} == set()
    assert keys["mart_top_losses", "f"] == (False, 6)
    assert keys["mart_system_daily", "f"] == keys["dim_constellations", "f"] == (False, 1)
    assert sum(count for (_, kind), (_, count) in keys.items() if kind == "f") >= 40


def test_ships_by_day_add_up_to_those_by_month(story: Story) -> None:
    for mart, sums in (("mart_ships_lost", ("losses", "isk_lost")), ("mart_ships_used", ("kills", "damage_done"))):
        for column in sums:
            [(days,)] = story.warehouse.rows(f"select sum({column}) from marts.{mart}_daily")
            assert story.warehouse.rows(f"select sum({column}) from marts.{mart}") == [(days,)]
            assert days > 900


def test_what_one_side_gains_the_other_loses(story: Story) -> None:
    [(both_ways, different)] = story.warehouse.rows("""
        select count(*), count(*) filter (where a.net_isk <> -v.net_isk or a.losses <> v.kills)
        from marts.mart_rivalries a join marts.mart_rivalries v
            on (a.month, a.entity_kind) = (v.month, v.entity_kind)
            and (a.attacker_id, a.victim_id) = (v.victim_id, v.attacker_id)
    """)
    assert both_ways > 10
    assert different == 0


def test_pilots_who_fly_together_are_pairs_on_the_same_killmails(story: Story) -> None:
    together: dict[tuple[date, int, int], int] = {}
    for killmail in KILLMAILS:
        pilots = {a["character_id"] for a in killmail.body["attackers"] if a.get("character_id")}
        if len(pilots) <= 20:
            for pilot, other in itertools.permutations(pilots, 2):
                pair = (killmail.day.replace(day=1), pilot, other)
                together[pair] = together.get(pair, 0) + 1
    rows = story.warehouse.rows(
        "select month, entity_id, with_id, kills from marts.mart_flies_with where entity_kind = 'character'"
    )
    kills = {(month, pilot, other): count for month, pilot, other, count in rows}
    assert len(together) > 1_000
    assert {pair for pair, count in together.items() if kills.get(pair, 0) < count} == set()


def test_facts_have_the_names_of_all_that_they_mention(story: Story) -> None:
    [attacker] = story.warehouse.rows("""
        select character_name = 'character ' || character_id, corporation_name = 'corporation ' || corporation_id,
            ship_name is not null, ship_group_name is not null, weapon_name is not null, solar_system_name is not null,
            region_name is not null, victim_ship_name is not null, weekday between 1 and 7, hour between 0 and 23
        from marts.fct_attackers
        where is_player and ship_type_id is not null and weapon_type_id is not null
        order by killmail_id, attacker_index limit 1
    """)
    assert attacker == (True,) * 10
    [(named, items, charges, modules)] = story.warehouse.rows("""
        select count(*) filter (where item_name is not null and item_group_name is not null
                                and item_category_name is not null),
            count(*), count(*) filter (where is_charge and is_fitted and item_category_name = 'Charge'),
            count(*) filter (where not is_charge and is_fitted and item_category_name = 'Module')
        from marts.fct_items
    """)
    assert named == items > 5_000
    assert min(charges, modules) > 100
    [(capitals,)] = story.warehouse.rows("select count(*) from marts.dim_types where is_capital")
    assert capitals > 10


@pytest.mark.parametrize(
    "query",
    [
        "select * from marts.mart_character_all_time where character_id = 580797163",
        "select * from marts.mart_leaderboards where entity_kind = 'character' and period = 'all' and metric = 'kills'",
        "select * from marts.mart_rivalries where entity_kind = 'alliance'",
        "select * from marts.mart_flies_with where entity_kind = 'corporation'",
        "select * from marts.mart_destruction_demand",
        "select * from marts.mart_metrics where model like 'mart_*_daily, %'",
    ],
)
def test_analysts_find_something(story: Story, query: str) -> None:
    assert story.warehouse.rows(query)


def test_a_revaluation_as_of_another_date_is_a_variable(story: Story) -> None:
    models = ("int_day_prices", "int_killmail_values", "int_build", "int_changed_days")
    views = ("int_item_prices", "fct_killmail_values_by_method", "fct_killmail_values")  # dropped with what they read
    arguments = ("--full-refresh", "--select", *models, *views)
    story.warehouse.dbt("run", *arguments, "--vars", "{price_as_of: 2018-03-01}")
    assert story.warehouse.rows("select distinct price_date from intermediate.int_day_prices") == [(date(2018, 3, 1),)]
    story.warehouse.dbt("run", *arguments)
    assert (
        story.warehouse.contents()["intermediate.int_killmail_values"]
        == (story.rebuilt["intermediate.int_killmail_values"])
    )


def test_what_every_cadence_has_built_is_forgotten(story: Story) -> None:
    forget_built(story.warehouse.engine)
    assert story.warehouse.rows("select count(*) from ops.changed_days") == [(0,)]


def test_a_changed_definition_builds_all_days_of_its_cadence_again(story: Story) -> None:
    rebuilds = Counter(row["rebuilds"] for row in changes())
    built = "select cadence, definitions from ops.transform_builds where definitions is not null order by 1"
    frequent = rebuilds["frequent"]
    assert story.warehouse.rows(built) == [("frequent", frequent), ("nightly", frequent + rebuilds["nightly"])]
    to_build = "select cadence, is_rebuild, count(*) from intermediate.int_days_to_build group by 1, 2 order by 1"
    for older, cadences in (("frequent", ["frequent"]), ("nightly", ["frequent", "nightly"])):
        _set_definitions(story, older, -1)
        story.warehouse.dbt("run", "--select", "int_build", "int_days_to_build")
        rebuilt = story.warehouse.rows(to_build)
        assert [(cadence, is_rebuild) for cadence, is_rebuild, _ in rebuilt] == [
            (cadence, True) for cadence in cadences
        ]
        assert all(days > len({k.day for k in KILLMAILS}) for *_, days in rebuilt)
    for cadence in ("frequent", "nightly"):
        _set_definitions(story, cadence, 1)


def _set_definitions(story: Story, cadence: str, change: int) -> None:
    with story.warehouse.engine.begin() as connection:
        connection.exec_driver_sql(
            f"update ops.transform_builds set definitions = definitions + {change} where cadence = '{cadence}'"
        )
