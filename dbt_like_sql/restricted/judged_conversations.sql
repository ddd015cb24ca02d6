-- Each conversation of a window in its cluster, with what the analyst and the site's classifier said of it. `place`
-- counts an account's within the cluster, in an order that nobody can choose; one without an account is its own.
select
    members.date,
    members.clustered_by,
    members.cluster_id,
    members.conversation_id,
    members.language,
    coalesce(members.account, members.conversation_id) as account,
    facets.concerning,
    facets.flagged,
    row_number() over (
        partition by
            members.date,
            members.clustered_by,
            members.cluster_id,
            coalesce(members.account, members.conversation_id)
        order by md5(members.conversation_id)
    ) as place
from {{ ref('cluster_members') }} as members
inner join {{ ref('facets') }} as facets
    on facets.conversation_id = members.conversation_id
    and facets.date = members.day
    and facets.language = members.language
where facets.concerning is not null
    and facets.flagged is not null
