select
    date,
    language,
    stage,
    conversations
from {{ ref('published_coverage') }}
