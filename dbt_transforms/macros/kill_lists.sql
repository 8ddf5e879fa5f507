{#- The peers' lists of killmails, by the condition of each over int_killmails with meta_group_id: that of the hull, 1 where
    a known hull has none. EVE-KILL's are those of Shrike's internal/api/killmails.go at 817d837, zKillboard's are labels of
    its cron/3.queueProcess.php at 2baf6057: its bands of ISK exclude each other, EVE-KILL's do not. -#}
{% macro kill_lists() -%}
    {%- set ids = eve_ids() -%}
    {{ return({
        'all': 'true',
        'region': 'region_id is not null',
        'evekill:highsec': 'solar_system_security_status >= 0.45',
        'evekill:lowsec': 'solar_system_security_status > 0 and solar_system_security_status < 0.45',
        'evekill:nullsec': 'solar_system_security_status <= 0 and region_id < 11000000',
        'evekill:wspace': 'region_id between 11000001 and 11000033',
        'evekill:abyssal': 'region_id between 12000001 and 12000005',
        'evekill:pochven': 'region_id = 10000070',
        'evekill:jove': 'region_id in (10000004, 10000017, 10000019)',
        'evekill:solo': 'is_solo_evekill',
        'evekill:npc': 'is_npc_evekill',
        'evekill:big': 'total_value >= 1e9',
        'evekill:5b': 'total_value >= 5e9',
        'evekill:10b': 'total_value >= 1e10',
        'evekill:frigates': 'victim_ship_group_id in (25, 324, 830, 831, 834, 893, 1283, 1527)',
        'evekill:destroyers': 'victim_ship_group_id in (420, 1305, 1534)',
        'evekill:cruisers': 'victim_ship_group_id in (26, 358, 832, 833, 906, 894, 963, 1972)',
        'evekill:battlecruisers': 'victim_ship_group_id in (419, 1201, 540)',
        'evekill:battleships': 'victim_ship_group_id in (27, 898, 900)',
        'evekill:capitals': 'victim_ship_group_id in (547, 485, 1538, 883, 659, 30, 4594)',
        'evekill:supercarriers': 'victim_ship_group_id = 659',
        'evekill:titans': 'victim_ship_group_id = 30',
        'evekill:freighters': 'victim_ship_group_id in (513, 902)',
        'evekill:citadels': 'victim_ship_category_id = ' ~ ids.structure,
        'evekill:t1': 'meta_group_id = 1',
        'evekill:t2': 'meta_group_id = 2',
        'evekill:t3': 'meta_group_id = 14',
        'evekill:faction': 'meta_group_id = 4',
        'zkb:solo': 'is_solo_zkb',
        'zkb:npc': 'is_npc_zkb',
        'zkb:awox': 'is_awox',
        'zkb:ganked': 'is_ganked',
        'zkb:capital': 'is_capital',
        'zkb:isk:1b+': 'total_value >= 1e9 and total_value < 5e9',
        'zkb:isk:5b+': 'total_value >= 5e9 and total_value < 1e10',
        'zkb:isk:10b+': 'total_value >= 1e10 and total_value < 1e11',
        'zkb:isk:100b+': 'total_value >= 1e11 and total_value < 1e12',
        'zkb:isk:1t+': 'total_value >= 1e12',
    }) }}
{%- endmacro %}

{#- How many losses a list has of a day, and therefore of a week at most. -#}
{% macro best_of_a_list() -%}
    10
{%- endmacro %}
