select
    enrichments.entity_kind,
    enrichments.entity_id,
    coalesce(
        alliances.alliance_name,
        corporations.corporation_name,
        characters.character_name,
        item_types.type_name
    ) as entity_name,
    enrichments.killmail_id,
    enrichments.roles,
    enrichments.outcome,
    enrichments.requested_at,
    enrichments.enriched_at,
    cast(
        extract(epoch from enrichments.enriched_at - enrichments.requested_at) as double precision
    ) as seconds_to_enrich,
    enrichments.attempts,
    enrichments.queue,
    enrichments.publishing_run,
    enrichments.consuming_run
from {{ ref('stg_enrichments') }} as enrichments
left join {{ ref('stg_alliances') }} as alliances
    on enrichments.entity_kind = 'alliance' and enrichments.entity_id = alliances.alliance_id
left join {{ ref('stg_corporations') }} as corporations
    on
        enrichments.entity_kind = 'corporation'
        and enrichments.entity_id = corporations.corporation_id
left join {{ ref('stg_characters') }} as characters
    on enrichments.entity_kind = 'character' and enrichments.entity_id = characters.character_id
left join {{ ref('stg_types') }} as item_types
    on enrichments.entity_kind = 'type' and enrichments.entity_id = item_types.type_id
