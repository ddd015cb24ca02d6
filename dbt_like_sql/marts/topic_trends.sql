-- One release tells of 90 days, so its slice is the day it was made for (as_of) and date is the row's own.
--
-- event = 'birth' where a topic that no day of the window before showed brought conversations that its family did not
--         have: the older topic nearest to it, and whatever else appeared beside that one within the window. A topic
--         that was split off takes from its family what it has.
-- p_value = one-sided z-test of the family's count of the day against its mean over the days before, scaled by the
--         day's conversations; then Benjamini-Hochberg over the day's new topics. Null where nothing is tested.
--         The variance is that of a Poisson count times the dispersion of all topics of that day (median of the
--         squared deviations over the median of chi-squared, at least 1), and the noise of each cell. What is not
--         shown is taken to be as large as the smallest that is; and as a cell shows first on a day whose noise lifted
--         it, one standard deviation of the noise is taken off. erfc as in topic_languages.sql.
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

-- Each day beside the days of the window before it; scale: how much larger it is than their mean.
pairs as (
    select
        whole_days.date,
        whole_days.clustered_by,
        before.date as day,
        count(*) over of_day as days,
        whole_days.conversations / avg(before.conversations) over of_day as scale
    from whole_days
    join whole_days as before
        on whole_days.clustered_by = before.clustered_by
        and before.date >= whole_days.date - $window_days::integer
        and before.date < whole_days.date
    where whole_days.date > $date::date - 90
    window of_day as (partition by whole_days.clustered_by, whole_days.date)
),

-- Counts before each day, topic by topic, and the smallest that any topic shows.
before as (
    select
        pairs.date,
        pairs.clustered_by,
        pairs.day,
        pairs.days,
        pairs.scale,
        cells.topic,
        cells.conversations,
        min(cells.conversations) over (partition by pairs.clustered_by, pairs.date) as least_shown
    from pairs
    join cells
        on pairs.clustered_by = cells.clustered_by
        and pairs.day = cells.date
    where cells.topic != ''
),

-- Topics that are shown on every day: how far the last one lies from the mean of the others.
dispersion as (
    select
        date,
        clustered_by,
        greatest(1.0, median(squared) / 0.4549) as dispersion
    from (
        select
            before.date,
            before.clustered_by,
            power(any_value(cells.conversations) - avg(before.conversations) * any_value(scale), 2)
            / (
                avg(before.conversations) * any_value(scale) * (1 + any_value(scale / days))
                + $noise_variance::double * (1 + any_value(scale * scale / days))
            ) as squared
        from before
        join cells
            on before.clustered_by = cells.clustered_by
            and before.topic = cells.topic
            and before.date = cells.date
        group by before.date, before.clustered_by, before.topic
        having count(*) = any_value(days)
    )
    group by date, clustered_by
),

-- What appeared within the window of a day, and the older topic beside which it did.
kin as (
    select
        days.date,
        links.clustered_by,
        links.topic,
        arg_max(links.family, links.date) as family
    from (select distinct date from pairs) as days
    join {{ ref('stg_topic_families') }} as links
        on links.date <= days.date
        and links.date > days.date - $window_days::integer
    group by days.date, links.clustered_by, links.topic
),

families as (
    select * from kin

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

-- One row a family and day before, those included on which nothing of it is shown.
histories as (
    select
        counts_now.date,
        counts_now.clustered_by,
        counts_now.family,
        any_value(counts_now.conversations) as conversations,
        any_value(counts_now.shown) as shown,
        any_value(all_days.scale) as scale,
        any_value(all_days.days) as days,
        avg(greatest(all_days.least_shown, coalesce(counts_before.conversations, 0))) as mean,
        avg(greatest(1, coalesce(counts_before.shown, 0))) as shown_before
    from counts_now
    join (
        select distinct
            date,
            clustered_by,
            day,
            days,
            scale,
            least_shown
        from before
    ) as all_days
        on counts_now.date = all_days.date
        and counts_now.clustered_by = all_days.clustered_by
    left join counts_before
        on counts_now.date = counts_before.date
        and counts_now.clustered_by = counts_before.clustered_by
        and counts_now.family = counts_before.family
        and all_days.day = counts_before.day
    group by counts_now.date, counts_now.clustered_by, counts_now.family
),

scores as (
    select
        cells.date,
        cells.clustered_by,
        cells.topic,
        (
            histories.conversations
            - sqrt($noise_variance::double)
            - histories.mean * histories.scale
        ) / sqrt(
            coalesce(dispersion.dispersion, 1.0) * (
                histories.mean * histories.scale * (1 + histories.scale / histories.days)
                + $noise_variance::double * (
                    histories.shown + histories.shown_before * power(histories.scale, 2) / histories.days
                )
            )
        ) as z
    from cells
    join kin
        on cells.date = kin.date
        and cells.clustered_by = kin.clustered_by
        and cells.topic = kin.topic
    join histories
        on kin.date = histories.date
        and kin.clustered_by = histories.clustered_by
        and kin.family = histories.family
    left join dispersion
        on cells.date = dispersion.date
        and cells.clustered_by = dispersion.clustered_by
    where cells.previous_date is null
        or cells.previous_date < cells.date - $window_days::integer
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
