-- Neither the exact counts nor the place in the unaudited tree: those stay behind.
select
    date,
    clustered_by,
    node_id,
    level,
    topic,
    name,
    description,
    privacy_score
from {{ ref('audited_summaries') }}
where status = 'published'
