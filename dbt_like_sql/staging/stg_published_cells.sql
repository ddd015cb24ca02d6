select
    date,
    clustered_by,
    topic,
    facet,
    value,
    conversations
from {{ ref('published_cells') }}
