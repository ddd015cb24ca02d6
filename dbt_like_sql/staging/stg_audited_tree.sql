-- Withheld nodes stay in: a published node's nearest published ancestor may lie above them.
select
    date,
    clustered_by,
    node_id,
    parent_id,
    status = 'published' as is_published
from {{ ref('audited_summaries') }}
