-- A day's figure is the sum over its parts; a stage that a withdrawal takes back whole is none.
select
    date,
    language,
    stage,
    sum(conversations)::bigint as conversations
from {{ ref('published_coverage') }}
group by all
having sum(conversations) > 0
