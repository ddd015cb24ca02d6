-- Shares keep as many decimals as the day's count has digits to speak of: 0.001 of 5,000 conversations.
with recursive tree as (
    select
        clustered_by,
        node_id,
        parent_id,
        is_published
    from {{ ref('stg_audited_tree') }}
    where date = $date
),

climb as (
    select
        clustered_by,
        node_id,
        parent_id as ancestor_id
    from tree
    where is_published

    union

    select
        climb.clustered_by,
        climb.node_id,
        tree.parent_id as ancestor_id
    from climb
    join tree
        on climb.clustered_by = tree.clustered_by
        and climb.ancestor_id = tree.node_id
    where not tree.is_published
),

-- Climbing stops at the first published ancestor, so at most one row a node passes.
published_parents as (
    select
        climb.clustered_by,
        climb.node_id,
        climb.ancestor_id as parent_id
    from climb
    join tree
        on climb.clustered_by = tree.clustered_by
        and climb.ancestor_id = tree.node_id
    where tree.is_published
),

window_cells as (
    select
        clustered_by,
        topic,
        max(conversations) filter (where date = $date) as conversations,
        sum(conversations)::bigint as window_conversations
    from {{ ref('stg_published_cells') }}
    where facet = 'all'
        and date > $date::date - $window_days::integer
        and date <= $date
    group by all
),

whole_day as (
    select
        clustered_by,
        conversations
    from window_cells
    where topic = ''
        and conversations > 0
)

select
    nodes.date,
    nodes.clustered_by,
    nodes.node_id,
    nodes.topic,
    published_parents.parent_id,
    nodes.level,
    nodes.name,
    nodes.description,
    cells.conversations,
    cells.window_conversations,
    case
        when cells.conversations > whole_day.conversations then 1.0
        else round(
            cells.conversations / whole_day.conversations::double,
            greatest(1, floor(log10(whole_day.conversations)))::integer
        )
    end as share,
    nodes.privacy_score,
    positions.x,
    positions.y
from {{ ref('stg_published_nodes') }} as nodes
left join published_parents
    on nodes.clustered_by = published_parents.clustered_by
    and nodes.node_id = published_parents.node_id
left join window_cells as cells
    on nodes.clustered_by = cells.clustered_by
    and nodes.topic = cells.topic
left join whole_day
    on nodes.clustered_by = whole_day.clustered_by
left join {{ ref('stg_positions') }} as positions
    on nodes.date = positions.date
    and nodes.clustered_by = positions.clustered_by
    and nodes.node_id = positions.node_id
where nodes.date = $date
