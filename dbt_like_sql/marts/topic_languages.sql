-- How much more often a topic is discussed in a language than that language is spoken at all that day.
--
-- lift      = share of the language in the topic / its share in all topics (the base rate).
-- interval  = 95 %, on the logarithm (Katz). The topic is part of what it is compared with, so the variance is
--             that of the ratio topic : rest, times the squared part of the language that lies in the rest.
-- p_value   = two-sided z-test of two proportions, topic against rest, pooled; then Benjamini-Hochberg over
--             every test of the date. erfc is the Chebyshev fit with a relative error below 1.2e-7 everywhere
--             (Press et al., Numerical Recipes, section 6.2): DuckDB has none.
--
-- As many decimals as the smallest count behind a figure has digits to speak of, and two digits of a p-value.
--
-- Every count here is a published one. Their noise can make a part larger than its whole: shares stop at 1, and
-- where no rest is left there is neither interval nor test.
with cells as (
    select
        clustered_by,
        topic,
        facet,
        value,
        conversations
    from {{ ref('stg_published_cells') }}
    where date = $date
        and facet in ('all', 'language')
),

totals as (
    select
        clustered_by,
        topic,
        conversations
    from cells
    where facet = 'all'
        and conversations > 0
),

languages as (
    select
        clustered_by,
        topic,
        value as language,
        conversations
    from cells
    where facet = 'language'
),

counted as (
    select
        nodes.date,
        nodes.clustered_by,
        nodes.node_id,
        languages.language,
        languages.conversations,
        totals.conversations as topic_total,
        base.conversations::double as base,
        base_totals.conversations::double as base_total,
        case
            when base.conversations < languages.conversations then 0.0
            else (base.conversations - languages.conversations)::double
        end as rest,
        base_totals.conversations - totals.conversations as rest_total
    from {{ ref('stg_published_nodes') }} as nodes
    join languages
        on nodes.clustered_by = languages.clustered_by
        and nodes.topic = languages.topic
    join totals
        on nodes.clustered_by = totals.clustered_by
        and nodes.topic = totals.topic
    left join totals as base_totals
        on nodes.clustered_by = base_totals.clustered_by
        and base_totals.topic = ''
    left join languages as base
        on nodes.clustered_by = base.clustered_by
        and base.topic = ''
        and languages.language = base.language
        and base.conversations > 0
    where nodes.date = $date
),

shares as (
    select
        *,
        case when conversations > topic_total then 1.0 else conversations / topic_total::double end as share,
        case when base > base_total then 1.0 else base / base_total end as base_rate,
        -- Without a rest, or with one that noise has made smaller than its part, nothing is compared.
        case when rest_total >= rest and rest_total > 0 then rest / rest_total end as rest_share,
        case
            when rest_total >= rest and rest_total > 0
                then (least(conversations, topic_total) + rest) / (topic_total + rest_total)
        end as pooled
    from counted
),

statistics as (
    select
        *,
        share / base_rate as lift,
        -- Half a conversation keeps the interval of a language that is spoken in this topic alone from closing.
        greatest(rest, 0.5) / base * sqrt(
            (1 - share) / conversations + (1 - rest_share) / greatest(rest, 0.5)
        ) as log_error,
        abs(share - rest_share)
        / nullif(sqrt(pooled * (1 - pooled) * (1.0 / topic_total + 1.0 / rest_total)), 0) as z
    from shares
),

-- erfc(z / sqrt(2)) = t · exp(-z² / 2 + polynomial in t).
fitted as (
    select
        *,
        z / sqrt(2) as s,
        1 / (1 + z / sqrt(8)) as t
    from statistics
),

tested as (
    select
        *,
        t * exp(
            -s * s - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (
                -0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (
                    -0.82215223 + t * 0.17087277
                ))))
            ))))
        ) as p
    from fitted
),

ranked as (
    select
        *,
        -- Rank by p; rows without a test come last and scale to null.
        p * count(p) over () / row_number() over by_p as scaled
    from tested
    window by_p as (order by p nulls last, clustered_by, node_id, language)
),

corrected as (
    select
        *,
        greatest(1, floor(log10(conversations)))::integer as digits,
        case
            when p is not null
                then min(scaled) over (
                    order by p nulls last, clustered_by, node_id, language
                    rows between current row and unbounded following
                )
        end as corrected_p
    from ranked
)

select
    date,
    clustered_by,
    node_id,
    language,
    conversations,
    round(share, greatest(1, floor(log10(topic_total)))::integer) as share,
    round(base_rate, greatest(1, floor(log10(base_total)))::integer) as base_rate,
    round(lift, digits) as lift,
    -- Outwards, so that rounding takes nothing off the interval.
    floor(lift * exp(-1.959964 * log_error) * power(10, digits)) / power(10, digits) as lift_low,
    ceil(lift * exp(1.959964 * log_error) * power(10, digits)) / power(10, digits) as lift_high,
    case when corrected_p > 1 then 1.0 else format('{:.1e}', corrected_p)::double end as p_value
from corrected
