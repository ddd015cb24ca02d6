-- How much more often a topic is discussed in a language than that language is spoken at all that day.
--
-- lift      = share of the language in the topic / its share in all topics (the base rate).
-- interval  = 95 %, on the logarithm (Katz). The topic is part of what it is compared with, so the variance is
--             that of the ratio topic : rest, times the squared part of the language that lies in the rest.
-- p_value   = two-sided z-test of two proportions, topic against rest, pooled; then Benjamini-Hochberg over
--             every topic in every language of the date.
--
-- What is counted are conversations, what speaks a language is an account: one that counts for n conversations
-- brings n², and n is $account_cap at most, by which the variance is multiplied. The noise of every count is added.
-- In the test that of the count itself keeps its exponential tail, which is longer than the normal one: the
-- probability is that of the sum of a normal and a Laplace variable, bounded from above: by the bounds of Mills' ratio
-- 4 / (3 z + sqrt(z² + 8)) from above and 2 / (z + sqrt(z² + 4)) from below (Sampford, Annals of Mathematical
-- Statistics 24, 1953; Birnbaum, ibid. 13, 1942).
--
-- Cells show only where they are large, so that what shows is large by luck, too. The test counts those that do not
-- show among the comparisons, and intervals are as much wider as makes 95 % of those that show cover (Benjamini and
-- Yekutieli, JASA 100, 2005, definition 1); their quantile is Abramowitz and Stegun's 26.2.23.
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

-- Every topic in every language of the day, shown or not.
possible as (
    select count(*)::double as comparisons
    from {{ ref('stg_published_nodes') }} as nodes
    join languages
        on nodes.clustered_by = languages.clustered_by
        and languages.topic = ''
    where nodes.date = $date
),

statistics as (
    select
        *,
        share / base_rate as lift,
        -- Half a conversation keeps the interval of a language that is spoken in this topic alone from closing.
        greatest(rest, 0.5) as some_rest,
        sqrt(
            $account_cap::double * power(some_rest / base, 2) * (
                (1 - share) / conversations + (1 - rest_share) / some_rest
            )
            + $noise_variance::double * (
                power(conversations, -2) + power(topic_total, -2) + power(base, -2) + power(base_total, -2)
            )
        ) as log_error,
        abs(share - rest_share) as difference,
        1.0 / topic_total + 1.0 / rest_total as weight,
        -- Of the difference: all but the noise of the count, and that noise's scale.
        nullif(sqrt(
            $account_cap::double * pooled * (1 - pooled) * weight
            + $noise_variance::double * (
                power(pooled * weight, 2) + (1 + power(pooled, 2)) / power(rest_total, 2)
            )
        ), 0) as error,
        sqrt($noise_variance::double / 2) * weight as noise
    from shares
),

standardised as (
    select
        *,
        difference / error as z,
        error / nullif(noise, 0) as apart,
        exp(-z * z / 2) / sqrt(2 * pi()) as density
    from statistics
),

tested as (
    select
        *,
        2 * (
            density * 4 / (3 * z + sqrt(z * z + 8))
            + case
                when noise = 0 then 0
                when z > apart
                    then exp(apart * apart / 2 - apart * z) / 2
                        - density / (z - apart + sqrt(power(z - apart, 2) + 4))
                else density * 2 / (3 * (apart - z) + sqrt(power(apart - z, 2) + 8))
            end
            - case when noise = 0 then 0 else density / (apart + z + sqrt(power(apart + z, 2) + 4)) end
        ) as p
    from standardised
),

ranked as (
    select
        *,
        -- Rank by p; rows without a test come last and scale to null.
        p * comparisons / row_number() over by_p as scaled,
        sqrt(-2 * ln(0.025 * count(p) over () / comparisons)) as tail,
        tail - (2.515517 + 0.802853 * tail + 0.010328 * tail * tail)
            / (1 + 1.432788 * tail + 0.189269 * tail * tail + 0.001308 * tail * tail * tail) as quantile
    from tested
    cross join possible
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
    floor(lift * exp(-quantile * log_error) * power(10, digits)) / power(10, digits) as lift_low,
    ceil(lift * exp(quantile * log_error) * power(10, digits)) / power(10, digits) as lift_high,
    case when corrected_p > 1 then 1.0 else format('{:.1e}', corrected_p)::double end as p_value
from corrected
