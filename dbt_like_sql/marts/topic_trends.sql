-- One release tells of 90 days, so its slice is the day it was made for (as_of) and date is the row's own.
with cells as (
    select
        date,
        clustered_by,
        topic,
        conversations,
        -- Over all days, not the 90: the growth of a date is the same in every release that shows it.
        lag(conversations) over (partition by clustered_by, topic order by date) as previous
    from {{ ref('stg_published_cells') }}
    where facet = 'all'
        and date <= $date
),

whole_days as (
    select
        date,
        clustered_by,
        conversations
    from cells
    where topic = ''
        and conversations > 0
)

select
    $date::date as as_of,
    nodes.clustered_by,
    nodes.topic,
    nodes.date,
    nodes.node_id,
    cells.conversations,
    case
        when cells.conversations > whole_days.conversations then 1.0
        else round(
            cells.conversations / whole_days.conversations::double,
            greatest(1, floor(log10(whole_days.conversations)))::integer
        )
    end as share,
    round(
        cells.conversations / nullif(cells.previous, 0)::double - 1,
        greatest(1, floor(log10(least(cells.conversations, cells.previous))))::integer
    ) as growth
from {{ ref('stg_published_nodes') }} as nodes
join cells
    on nodes.date = cells.date
    and nodes.clustered_by = cells.clustered_by
    and nodes.topic = cells.topic
left join whole_days
    on nodes.date = whole_days.date
    and nodes.clustered_by = whole_days.clustered_by
where nodes.date > $date::date - 90
    and nodes.date <= $date
