-- A day's figure is the sum over its parts; a cell that a withdrawal takes back whole is none.
select
    date,
    clustered_by,
    topic,
    facet,
    value,
    sum(conversations)::bigint as conversations
from {{ ref('published_cells') }}
group by all
having sum(conversations) > 0
