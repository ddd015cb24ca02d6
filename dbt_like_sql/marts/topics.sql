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

days as (
    select
        date,
        clustered_by,
        topic,
        conversations
    from {{ ref('stg_published_cells') }}
    where facet = 'all'
        and date > $date::date - $window_days::integer
        and date <= $date
),

nodes as (
    select *
    from {{ ref('stg_published_nodes') }}
    where date = $date
),

descent as (
    select
        clustered_by,
        parent_id as ancestor_id,
        node_id
    from published_parents

    union

    select
        descent.clustered_by,
        published_parents.parent_id as ancestor_id,
        descent.node_id
    from descent
    join published_parents
        on descent.clustered_by = published_parents.clustered_by
        and descent.ancestor_id = published_parents.node_id
),

-- Base topics persist; one above them may be a day old. On days on which it had no count it has that of those below it.
own_days as (
    select
        nodes.clustered_by,
        nodes.node_id,
        days.date,
        days.conversations
    from nodes
    join days
        on nodes.clustered_by = days.clustered_by
        and nodes.topic = days.topic
),

days_below as (
    select
        descent.clustered_by,
        descent.ancestor_id as node_id,
        own_days.date,
        sum(own_days.conversations) as conversations
    from descent
    join nodes
        on descent.clustered_by = nodes.clustered_by
        and descent.node_id = nodes.node_id
        and nodes.level = 0
    join own_days
        on descent.clustered_by = own_days.clustered_by
        and descent.node_id = own_days.node_id
    group by all
),

counts as (
    select
        clustered_by,
        node_id,
        max(own_days.conversations) filter (where date = $date) as conversations,
        sum(coalesce(own_days.conversations, days_below.conversations))::bigint as window_conversations
    from own_days
    full join days_below using (clustered_by, node_id, date)
    group by all
),

whole_day as (
    select
        clustered_by,
        conversations
    from days
    where topic = ''
        and date = $date
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
    counts.conversations,
    counts.window_conversations,
    case
        when counts.conversations > whole_day.conversations then 1.0
        else round(
            counts.conversations / whole_day.conversations::double,
            greatest(1, floor(log10(whole_day.conversations)))::integer
        )
    end as share,
    nodes.privacy_score,
    positions.x,
    positions.y
from nodes
left join published_parents
    on nodes.clustered_by = published_parents.clustered_by
    and nodes.node_id = published_parents.node_id
left join counts
    on nodes.clustered_by = counts.clustered_by
    and nodes.node_id = counts.node_id
left join whole_day
    on nodes.clustered_by = whole_day.clustered_by
left join {{ ref('stg_positions') }} as positions
    on nodes.date = positions.date
    and nodes.clustered_by = positions.clustered_by
    and nodes.node_id = positions.node_id
