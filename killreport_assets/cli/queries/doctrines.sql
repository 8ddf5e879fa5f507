-- The fits that corporations and alliances lost most in one month, with one killmail of each to look at.
select
    doctrines.month,
    doctrines.entity_kind,
    coalesce(doctrines.entity_name, cast(doctrines.entity_id as text)) as entity,
    doctrines.ship_type_name,
    doctrines.losses,
    doctrines.pilots,
    doctrines.isk_lost,
    families.last_killmail_id
from marts.mart_doctrines as doctrines
left join (
    select
        family_id,
        max(last_killmail_id) as last_killmail_id
    from marts.mart_fits
    group by family_id
) as families on doctrines.family_id = families.family_id
order by doctrines.losses desc, doctrines.month, doctrines.entity_id
limit 10
