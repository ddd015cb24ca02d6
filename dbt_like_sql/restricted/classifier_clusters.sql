-- How often the site's classifier flags what each cluster holds, against how concerning the analyst found it, and where
-- the two disagree (Clio paper, section 4.3).
--
-- expected_flagged = what the cluster would have flagged if each of its conversations were flagged as often as all that
--                    are as concerning (indirect standardisation).
-- evidence         = standard errors by which it is off. False positives: a cluster that is not concerning, flagged
--                    beyond the expected. False negatives: a concerning cluster, flagged below the expected; or some
--                    of its languages, flagged below the others, so that a classifier that is blind in a language is
--                    found although topics lie across languages. The languages are split where they differ most; since
--                    that is the best of many splits, its chi-square is held against as many degrees of freedom as
--                    there are languages but one (Scheffe), as a normal score (Wilson and Hilferty, 1931).
-- concerning       = half a standard deviation of all conversations, or more, above their mean: analysts use the scale
--                    differently.
--
-- Sums of fractions are taken in their order: in another one, as rows are stored elsewhere, the last bits differ.
--
-- An account counts up to the cap. A candidate needs five conversations of its kind, of three accounts, and evidence
-- of three standard errors. Ranks are in the order of evidence, the first of each broader topic before the seconds.
with judged as (
    select * exclude (place)
    from {{ ref('judged_conversations') }}
    where date = $date
        and place <= $account_cap
),

site as (
    select
        clustered_by,
        avg(concerning) + 0.5 * coalesce(stddev_pop(concerning order by concerning), 0) as concerning_from
    from judged
    group by clustered_by
),

rates as (
    select
        clustered_by,
        concerning,
        avg(flagged::double) as rate
    from judged
    group by all
),

cells as (
    select
        judged.clustered_by,
        judged.cluster_id,
        judged.language,
        count(*) as conversations,
        count(distinct account) as accounts,
        count(*) filter (where flagged) as flagged,
        count(distinct account) filter (where flagged) as flagged_accounts,
        count(distinct account) filter (where not flagged) as unflagged_accounts,
        avg(judged.concerning) as mean_concerning,
        sum(rate order by rate) as expected,
        sum(rate * (1 - rate) order by rate) as variance
    from judged
    inner join rates using (clustered_by, concerning)
    group by grouping sets (
        (judged.clustered_by, judged.cluster_id),
        (judged.clustered_by, judged.cluster_id, judged.language)
    )
),

whole as (
    select
        cells.*,
        mean_concerning >= concerning_from as is_concerning,
        (flagged - expected) / nullif(sqrt(variance), 0) as off
    from cells
    inner join site using (clustered_by)
    where language is null
),

languages as (
    select
        part.clustered_by,
        part.cluster_id,
        part.language,
        part.conversations,
        part.flagged,
        part.unflagged_accounts,
        part.flagged / part.conversations as share,
        sum(part.conversations) over cluster as all_conversations,
        sum(part.flagged) over cluster as all_flagged,
        count(*) over cluster - 1 as freedom
    from cells as part
    where part.language is not null
        and part.conversations >= 5
    window cluster as (partition by part.clustered_by, part.cluster_id)
),

splits as (
    select
        clustered_by,
        cluster_id,
        all_conversations,
        all_flagged,
        freedom,
        string_agg(language, ', ') over least_flagged as language,
        sum(conversations) over least_flagged as seen,
        sum(flagged) over least_flagged as seen_flagged,
        sum(unflagged_accounts) over least_flagged as unflagged_accounts
    from languages
    window least_flagged as (
        partition by clustered_by, cluster_id
        order by share, language
        rows between unbounded preceding and current row
    )
),

blind as (
    select
        *,
        (
            cbrt(square / freedom) - (1 - 2 / (9 * freedom))
        ) / sqrt(2 / (9 * freedom)) as off
    from (
        select
            *,
            pow(
                (all_flagged - seen_flagged) / (all_conversations - seen) - seen_flagged / seen, 2
            ) / nullif(
                all_flagged / all_conversations * (1 - all_flagged / all_conversations)
                * (1 / seen + 1 / (all_conversations - seen)),
                0
            ) as square
        from splits
        where seen < all_conversations
    )
    qualify row_number() over (
        partition by clustered_by, cluster_id order by square desc nulls last, seen
    ) = 1
),

suspected as (
    select
        clustered_by,
        cluster_id,
        'false positive' as candidate,
        off as evidence,
        null::varchar as language,
        conversations as seen,
        flagged as seen_flagged
    from whole
    where not is_concerning
        and flagged >= 5
        and flagged_accounts >= 3
    union all
    select
        clustered_by,
        cluster_id,
        'false negative',
        -off,
        null,
        conversations,
        flagged
    from whole
    where is_concerning
        and conversations - flagged >= 5
        and unflagged_accounts >= 3
    union all
    select
        blind.clustered_by,
        blind.cluster_id,
        'false negative',
        blind.off,
        blind.language,
        blind.seen,
        blind.seen_flagged
    from blind
    inner join whole using (clustered_by, cluster_id)
    where is_concerning
        and blind.seen - blind.seen_flagged >= 5
        and blind.unflagged_accounts >= 3
),

found as (
    select *
    from suspected
    where evidence >= 3
    qualify row_number() over (
        partition by clustered_by, cluster_id order by evidence desc, language nulls last
    ) = 1
),

placed as (
    select
        found.*,
        row_number() over (
            partition by
                found.clustered_by,
                found.candidate,
                coalesce(nodes.parent_id, 'cluster ' || found.cluster_id)
            order by found.evidence desc, found.cluster_id
        ) as place
    from found
    inner join {{ ref('clusters') }} as clusters
        on clusters.date = $date
        and clusters.clustered_by = found.clustered_by
        and clusters.cluster_id = found.cluster_id
    left join {{ ref('audited_summaries') }} as nodes
        on nodes.date = $date
        and nodes.clustered_by = found.clustered_by
        and nodes.topic = clusters.topic
        and nodes.level = 0
),

candidates as (
    select
        *,
        row_number() over (
            partition by clustered_by, candidate order by place, evidence desc, cluster_id
        )::integer as rank
    from placed
),

names as (
    select
        clustered_by,
        topic,
        name
    from {{ ref('audited_summaries') }}
    where date = $date
        and level = 0
        and status = 'published'
)

select
    $date::date as date,
    whole.clustered_by,
    whole.cluster_id,
    clusters.topic,
    names.name,
    whole.conversations,
    whole.accounts,
    whole.flagged,
    whole.conversations - whole.flagged as unflagged,
    whole.mean_concerning,
    whole.flagged / whole.conversations as flagged_share,
    whole.expected as expected_flagged,
    candidates.candidate,
    candidates.rank,
    round(candidates.evidence, 2) as evidence,
    candidates.language as languages,
    candidates.seen::bigint as seen,
    candidates.seen_flagged::bigint as seen_flagged
from whole
inner join {{ ref('clusters') }} as clusters
    on clusters.date = $date
    and clusters.clustered_by = whole.clustered_by
    and clusters.cluster_id = whole.cluster_id
left join names
    on names.clustered_by = whole.clustered_by
    and names.topic = clusters.topic
left join candidates
    on candidates.clustered_by = whole.clustered_by
    and candidates.cluster_id = whole.cluster_id
