select
    date,
    clustered_by,
    node_id,
    x,
    y
from {{ ref('positions') }}
