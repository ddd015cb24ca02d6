-- One release tells of 90 days, so its slice is the day it was made for (as_of) and date is the row's own.
--
-- event = 'birth' where a topic that no day of the window before showed brought conversations that its family did not
--         have: the older topic nearest to it, and whatever else appeared beside that one within the window. A topic
--         that was split off takes from its family what it has.
-- p_value = one-sided z-test of the family's count of the day against its mean over the days since it last changed,
--         scaled by the day's conversations; then Benjamini-Hochberg over the day's new topics. Null where nothing is
--         tested. The variance, that of Poisson counts and the noise of each cell, is multiplied by the dispersion of
--         all topics between that day and the one before (median of the squared deviations over the median of
--         chi-squared with one degree of freedom, 0.4549; at least 1). What is not shown is taken to be as large as the smallest that is; and as a cell shows first on a day whose noise lifted
--         it, one standard deviation of the noise is taken off. erfc is the Chebyshev fit with a relative
--         error below 1.2e-7 everywhere (Press et al., Numerical Recipes, section 6.2): DuckDB has none.
with cells as (
    select
        date,
        clustered_by,
        topic,
        conversations,
        -- Over all days, not the 90: the growth of a date is the same in every release that shows it.
        lag(conversations) over topic_days as previous,
        lag(date) over topic_days as previous_date
    from {{ ref('stg_published_cells') }}
    where facet = 'all'
        and date <= $date
    window topic_days as (partition by clustered_by, topic order by date)
),

whole_days as (
    select
        date,
        clustered_by,
        conversations
    from cells
    where topic = ''
        and conversations > 0
),

-- Each day beside the days of the window before it.
pairs as (
    select
        whole_days.date,
        whole_days.clustered_by,
        whole_days.conversations as total,
        before.date as day,
        before.conversations as total_before
    from whole_days
    join whole_days as before
        on whole_days.clustered_by = before.clustered_by
        and before.date >= whole_days.date - $window_days::integer
        and before.date < whole_days.date
    where whole_days.date > $date::date - 90
),

before as (
    select
        pairs.*,
        cells.topic,
        cells.conversations
    from pairs
    join cells
        on pairs.clustered_by = cells.clustered_by
        and pairs.day = cells.date
    where cells.topic != ''
),

least_shown as (
    select
        date,
        clustered_by,
        min(conversations) as conversations,
        max(day) as last_day
    from before
    group by date, clustered_by
),

-- Topics that are shown on a day and the one before it: how far they lie from what the one before it would have.
deviations as (
    select
        before.date,
        before.clustered_by,
        cells.conversations,
        before.total / before.total_before as ratio,
        before.conversations * ratio as expected
    from before
    join least_shown
        on before.date = least_shown.date
        and before.clustered_by = least_shown.clustered_by
        and before.day = least_shown.last_day
    join cells
        on before.clustered_by = cells.clustered_by
        and before.topic = cells.topic
        and before.date = cells.date
),

dispersion as (
    select
        date,
        clustered_by,
        greatest(1.0, median(
            power(conversations - expected, 2)
            / (expected * (1 + ratio) + $noise_variance::double * (1 + ratio * ratio))
        ) / 0.4549) as dispersion
    from deviations
    group by date, clustered_by
),

-- What appeared within the window of a day, and the older topic beside which it did.
kin as (
    select
        days.date,
        links.clustered_by,
        links.topic,
        max(links.date) as appeared,
        arg_max(links.family, links.date) as family
    from (select distinct date from pairs) as days
    join {{ ref('stg_topic_families') }} as links
        on links.date <= days.date
        and links.date > days.date - $window_days::integer
    group by days.date, links.clustered_by, links.topic
),

families as (
    select
        date,
        clustered_by,
        topic,
        family
    from kin

    union

    select
        date,
        clustered_by,
        family as topic,
        family
    from kin
),

counts_now as (
    select
        families.date,
        families.clustered_by,
        families.family,
        sum(cells.conversations) as conversations,
        count(*) as shown
    from families
    join cells
        on families.date = cells.date
        and families.clustered_by = cells.clustered_by
        and families.topic = cells.topic
    group by all
),

counts_before as (
    select
        families.date,
        families.clustered_by,
        families.family,
        before.day,
        sum(before.conversations) as conversations,
        count(*) as shown
    from families
    join before
        on families.date = before.date
        and families.clustered_by = before.clustered_by
        and families.topic = before.topic
    group by all
),

-- The days since a family last changed, those included on which nothing of it is shown.
changed as (
    select
        date,
        clustered_by,
        family,
        max(appeared) filter (where appeared < date) as day
    from kin
    group by date, clustered_by, family
),

histories as (
    select
        changed.date,
        changed.clustered_by,
        changed.family,
        any_value(pairs.total) / sum(pairs.total_before) as ratio,
        sum(greatest(least_shown.conversations, coalesce(counts_before.conversations, 0))) as conversations,
        sum(greatest(1, coalesce(counts_before.shown, 0))) as shown
    from changed
    join pairs
        on changed.date = pairs.date
        and changed.clustered_by = pairs.clustered_by
        and pairs.day >= coalesce(changed.day, pairs.day)
    join least_shown
        on changed.date = least_shown.date
        and changed.clustered_by = least_shown.clustered_by
    left join counts_before
        on changed.date = counts_before.date
        and changed.clustered_by = counts_before.clustered_by
        and changed.family = counts_before.family
        and pairs.day = counts_before.day
    group by changed.date, changed.clustered_by, changed.family
),

-- Of several that are new in one family, the larger ones are taken to be what is new before the smaller.
scores as (
    select
        cells.date,
        cells.clustered_by,
        cells.topic,
        (
            counts_now.conversations
            - coalesce(sum(cells.conversations) over larger, 0)
            - sqrt($noise_variance::double)
            - histories.conversations * histories.ratio
        ) / sqrt(
            coalesce(dispersion.dispersion, 1.0) * (
                histories.conversations * histories.ratio * (1 + histories.ratio)
                + $noise_variance::double * (counts_now.shown + histories.shown * power(histories.ratio, 2))
            )
        ) as z
    from cells
    join kin
        on cells.date = kin.date
        and cells.clustered_by = kin.clustered_by
        and cells.topic = kin.topic
    join counts_now
        on kin.date = counts_now.date
        and kin.clustered_by = counts_now.clustered_by
        and kin.family = counts_now.family
    join histories
        on kin.date = histories.date
        and kin.clustered_by = histories.clustered_by
        and kin.family = histories.family
    left join dispersion
        on cells.date = dispersion.date
        and cells.clustered_by = dispersion.clustered_by
    where cells.previous_date is null
        or cells.previous_date < cells.date - $window_days::integer
    window larger as (
        partition by cells.date, cells.clustered_by, kin.family
        order by cells.conversations desc, cells.topic
        rows between unbounded preceding and 1 preceding
    )
),

fitted as (
    select
        *,
        abs(z) / sqrt(2) as s,
        1 / (1 + abs(z) / sqrt(8)) as t
    from scores
),

tails as (
    select
        *,
        0.5 * t * exp(
            -s * s - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (
                -0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (
                    -0.82215223 + t * 0.17087277
                ))))
            ))))
        ) as tail
    from fitted
),

ranked as (
    select
        *,
        case when z > 0 then tail else 1 - tail end as p,
        p * count(*) over (partition by clustered_by, date) / row_number() over by_p as scaled
    from tails
    window by_p as (partition by clustered_by, date order by -z, topic)
),

corrected as (
    select
        date,
        clustered_by,
        topic,
        least(1.0, min(scaled) over (
            partition by clustered_by, date
            order by p, topic
            rows between current row and unbounded following
        )) as corrected_p
    from ranked
)

select
    $date::date as as_of,
    nodes.clustered_by,
    nodes.topic,
    nodes.date,
    nodes.node_id,
    cells.conversations,
    case
        when cells.conversations > whole_days.conversations then 1.0
        else round(
            cells.conversations / whole_days.conversations::double,
            greatest(1, floor(log10(whole_days.conversations)))::integer
        )
    end as share,
    round(
        cells.conversations / nullif(cells.previous, 0)::double - 1,
        greatest(1, floor(log10(least(cells.conversations, cells.previous))))::integer
    ) as growth,
    case when corrected.corrected_p < 0.05 then 'birth' end as event,
    format('{:.1e}', corrected.corrected_p)::double as p_value
from {{ ref('stg_published_nodes') }} as nodes
join cells
    on nodes.date = cells.date
    and nodes.clustered_by = cells.clustered_by
    and nodes.topic = cells.topic
left join whole_days
    on nodes.date = whole_days.date
    and nodes.clustered_by = whole_days.clustered_by
left join corrected
    on nodes.date = corrected.date
    and nodes.clustered_by = corrected.clustered_by
    and nodes.topic = corrected.topic
where nodes.date > $date::date - 90
    and nodes.date <= $date
