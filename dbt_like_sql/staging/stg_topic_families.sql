-- Beside which older topic each new one appeared. Shares are exact, and stay behind.
select
    date,
    clustered_by,
    topic,
    family
from {{ ref('lineage') }}
where family is not null
    and kind in ('birth', 'split')
