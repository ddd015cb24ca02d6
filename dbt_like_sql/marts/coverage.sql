select
    date,
    language,
    stage,
    conversations
from {{ ref('stg_published_coverage') }}
where date = $date
