with cells as (
    select
        clustered_by,
        topic,
        facet,
        value,
        conversations
    from {{ ref('stg_published_cells') }}
    where date = $date
),

totals as (
    select
        clustered_by,
        topic,
        conversations
    from cells
    where facet = 'all'
        and conversations > 0
)

select
    nodes.date,
    nodes.clustered_by,
    nodes.node_id,
    cells.facet,
    cells.value,
    cells.conversations,
    case
        when cells.conversations > totals.conversations then 1.0
        else round(
            cells.conversations / totals.conversations::double,
            greatest(1, floor(log10(totals.conversations)))::integer
        )
    end as share
from {{ ref('stg_published_nodes') }} as nodes
join cells
    on nodes.clustered_by = cells.clustered_by
    and nodes.topic = cells.topic
left join totals
    on nodes.clustered_by = totals.clustered_by
    and nodes.topic = totals.topic
where nodes.date = $date
    and cells.facet not in ('all', 'language')
