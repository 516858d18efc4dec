"""A rule as Flink SQL: the same alarms, for those who outgrow one machine.

Flink takes the rules that count lines or distinct values, or a share or percentile of lines,
grouped by one column or not, at or above a threshold. The rest only the embedded engine knows, and
is refused with the reason.
"""

from collections.abc import Iterator, Mapping
from string import Template

from analytics_engine.errors import UnsupportedByFlink
from analytics_engine.records.kind import DISTINCT, LINES, RUN, SHARE, Kind, Source
from analytics_engine.records.ticks import TICK_MS
from analytics_engine.records.values import ADDRESS, HASH, KEPT, LONGEST, REPLACEMENT, UNKNOWN
from analytics_engine.records.where import Where, each
from analytics_engine.rules.files import Definitions
from analytics_engine.rules.grouping import thresholds, translation
from analytics_engine.rules.reference import References
from analytics_engine.rules.rule import BELOW, Network, Percentile, Rule

_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*\z"
"""What is a number to both engines; Java would take `1d` for one, too."""
_VIEWS = Template(
    """\
-- $name: the lines of each tick of 100 ms, each once. Repeats share identity and time, hence the
-- tick: it alone must remember them.
CREATE TEMPORARY VIEW ${name}_ticks AS
SELECT window_time AS counted, $scope AS group_value,$distinct$taken
       COUNT(DISTINCT $line) AS line_count
FROM TABLE(TUMBLE(TABLE `$source`, DESCRIPTOR($moment), INTERVAL '0.1' SECOND))
WHERE $lines
GROUP BY window_start, window_end, window_time$columns;

-- The count at every tick at which it is not 0.
CREATE TEMPORARY VIEW ${name}_counts AS
SELECT window_end AS tick, window_time AS moment, group_value,
       SUM(line_count) AS order_count,$all_taken $measure AS amount
FROM TABLE(HOP(TABLE ${name}_ticks, DESCRIPTOR(counted),
               INTERVAL '0.1' SECOND, $window_interval))
GROUP BY window_start, window_end, window_time, group_value;

-- Hot ticks, and whether one opens an incident: none hot within the quiet time before it.
CREATE TEMPORARY VIEW ${name}_hot AS
SELECT *, before IS NULL OR tick > before + $quiet_interval AS opens
FROM (SELECT *, LAG(tick) OVER (PARTITION BY group_value ORDER BY moment) AS before
      FROM ${name}_counts WHERE $hot);

CREATE TEMPORARY VIEW ${name}_since AS
SELECT *, MAX(CASE WHEN opens THEN tick END)
            OVER (PARTITION BY group_value ORDER BY moment) AS opened
FROM ${name}_hot;

CREATE TEMPORARY VIEW ${name}_reminders AS
SELECT *, SUM(reminds) OVER (PARTITION BY group_value ORDER BY moment) AS reminders
FROM (SELECT *, CASE WHEN $reminds THEN 1 ELSE 0 END AS reminds FROM ${name}_since);

CREATE TEMPORARY VIEW ${name}_hot_said AS
SELECT *, MAX(CASE WHEN opens THEN reminders END)
            OVER (PARTITION BY group_value ORDER BY moment) AS reminders_before
FROM ${name}_reminders;

-- An incident ends when its quiet time has passed without a hot tick: a session.
CREATE TEMPORARY VIEW ${name}_sessions AS
SELECT group_value, window_time AS moment, MIN(tick) AS opened,
       MAX(tick) + $quiet_interval AS closed,
       MAX(amount) AS peak, SUM(reminds) AS reminders
FROM TABLE(SESSION(TABLE ${name}_reminders PARTITION BY group_value,
                   DESCRIPTOR(moment), $quiet_interval))
GROUP BY window_start, window_end, window_time, group_value;

-- What the count is at the end: 0 where the tick had none.
CREATE TEMPORARY VIEW ${name}_closed AS
SELECT s.*, COALESCE(c.order_count, 0) AS order_count, COALESCE(c.amount, 0) AS amount
FROM ${name}_sessions AS s LEFT JOIN ${name}_counts AS c
ON s.group_value = c.group_value AND s.closed = c.tick
AND c.moment BETWEEN s.moment - INTERVAL '1' SECOND AND s.moment + INTERVAL '1' SECOND;

CREATE TEMPORARY VIEW ${name}_alarms AS
SELECT group_value, CASE WHEN opens THEN 'OPEN' ELSE 'REMINDER' END AS kind,
       reminders - reminders_before AS sequence, tick, opened, order_count, amount,
       CAST(NULL AS $type) AS peak
FROM ${name}_hot_said WHERE opens OR reminds = 1
UNION ALL
SELECT group_value, 'CLOSE', reminders + 1, closed, opened, order_count, amount, peak
FROM ${name}_closed;
"""
)

_INSERT = Template(
    """\
INSERT INTO alarms
SELECT SUBSTRING(SHA256('$name|' || group_value || '|' || $opened), 1, 32), '$name',
       group_value, kind, CAST(sequence AS INT), $tick, $opened, order_count,
       CAST(amount AS DOUBLE), '$unit', $threshold, $window, '$severity', FALSE, $test,
       CAST(peak AS DOUBLE), CAST(NULL AS BIGINT),
       CASE kind WHEN 'CLOSE' THEN $duration END, '$source'
FROM ${name}_alarms"""
)


def refusal(rule: Rule, kind: Kind) -> str | None:
    """Why a rule is not for Flink, if it is not."""
    if rule.measure not in (LINES, SHARE) and not _distinct(rule, kind):
        return f"it measures {rule.measure}; Flink counts lines, their share, or distinct values"
    if not kind.identity or kind.moment.column in kind.identity:
        return f"a record of the kind {kind.name} has no identity by which Flink could drop repeats"
    if kind.moment.format != "rfc3339":
        return f"its moments are {kind.moment.format}; Flink's tables read RFC 3339"
    if isinstance(rule.group_by, Network):
        return "it groups addresses by network; Flink groups them one by one"
    if column := _number_as_text(rule, kind):
        return f"it takes {column} for text, of which the engines make 0.8 or leave 0.80"
    if rule.comparison == BELOW:
        return "silence makes no events, and Flink waits for some"
    return None


def views(rule: Rule, kind: Kind, references: References) -> str:
    """The views of a rule, the last of which has its alarms. Raises UnsupportedByFlink."""
    return _VIEWS.substitute(_values(rule, kind, references))


def insert(rule: Rule, kind: Kind, references: References) -> str:
    """The statement that puts a rule's alarms on the alarm stream. Raises UnsupportedByFlink."""
    return _INSERT.substitute(_values(rule, kind, references))


def script(definitions: Definitions) -> str:
    """What Flink is to run: the views of all rules that it can, and one set of statements."""
    references = definitions.references
    some = [(rule, definitions.sources[rule.source].kind) for rule in taken(definitions)]
    inserts = ";\n".join(insert(rule, kind, references) for rule, kind in some)
    parts = [views(rule, kind, references) for rule, kind in some]
    return "\n".join([*parts, f"EXECUTE STATEMENT SET BEGIN\n{inserts};\nEND;\n"])


def taken(definitions: Definitions) -> list[Rule]:
    """The rules that Flink can do."""
    sources = definitions.sources
    return [rule for rule in definitions.rules if not refusal(rule, sources[rule.source].kind)]


def tables(definitions: Definitions, template: str) -> str:
    """The tables of the streams that these rules read; `template` makes one."""
    rules = taken(definitions)
    return "\n".join(
        Template(template).safe_substitute(
            _table(name, source, [rule for rule in rules if rule.source == name], definitions)
        )
        for name, source in definitions.sources.items()
        if any(rule.source == name for rule in rules)
    )


def _table(
    name: str, source: Source, rules: list[Rule], definitions: Definitions
) -> Mapping[str, str]:
    """What is said of a stream's table, which has the columns that rules need and no other.

    All are text but the moment, numbers too: so both engines read them alike. Time goes on with a
    heartbeat that leaves a line on its way as long as it may take, so that the first after a lull
    is not late by it.
    """
    kind, lateness = source.kind, source.lateness_ms / 1000
    needed = {*kind.identity, *kind.required, *([kind.test.column] if kind.test else ())}
    for rule in rules:
        keys = {definitions.references[one].key for one in rule.references}
        needed |= rule.columns(kind) | keys
    columns = [column for column in kind.columns if column in needed - {kind.moment.column}]
    mark = "CASE WHEN number IS NULL THEN 'never' ELSE '' END"
    return {
        "source": name,
        "moment": kind.moment.column,
        "columns": ", ".join(f"{_name(column)} STRING" for column in columns),
        "names": ", ".join(map(_name, columns)),
        "beats": ", ".join(mark if one == kind.identity[-1] else "word" for one in columns),
        "lateness": f"{lateness:g}",
        "heartbeat": f"{lateness + 2.5:g}",
    }


def _number_as_text(rule: Rule, kind: Kind) -> str | None:
    """A column of numbers with decimals whose values a rule tells apart by their text."""
    compared: Iterator[str | None] = (
        one.column for one in (*each(rule.where), *each(rule.among)) if not one.is_range
    )
    group = rule.group_by if isinstance(rule.group_by, str) else None
    columns = (*compared, group, _distinct(rule, kind))
    return next((one for one in columns if one and kind.columns.get(one) == "number"), None)


def _distinct(rule: Rule, kind: Kind) -> str | None:
    """The column of which a rule counts distinct values, if it does."""
    if rule.measure == DISTINCT:
        return rule.column
    measure = kind.measures.get(rule.measure)
    return measure and measure.distinct


def _values(rule: Rule, kind: Kind, references: References) -> Mapping[str, object]:
    if (reason := refusal(rule, kind)) is not None:
        raise UnsupportedByFlink(f"{rule.name}: {reason}")
    scope, column = _scope(rule, kind, references)
    distinct = _distinct(rule, kind)
    # What is grouped by need not be told apart again.
    identity = [name for name in kind.identity if name != distinct] or kind.identity
    columns = [*([column] if column else []), *([_name(distinct)] if distinct else [])]
    is_share = rule.measure == SHARE
    line = " || '|' || ".join(map(_name, identity))
    tests = [_test(one, kind) for one in each(rule.where)]
    taken = f"CASE WHEN {' AND '.join(tests)} THEN {line} END"
    lines = [f"{_name(kind.identity[-1])} <> ''"]
    lines += [f"{_name(one)} IS NOT NULL" for one in kind.required]
    lines += [_mark(kind, rule.test)] if kind.test is not None else []
    lines += [_test(one, kind) for one in each(rule.among)]
    if is_share:
        measure = "CAST(SUM(taken) AS DOUBLE) / SUM(line_count)"
    else:
        measure = "COUNT(DISTINCT told_apart)" if distinct else "SUM(line_count)"
        lines += tests
    return {
        "name": rule.name,
        "source": rule.source,
        "moment": _name(kind.moment.column),
        "scope": scope,
        "columns": "".join(f", {name}" for name in dict.fromkeys(columns)),
        "distinct": f" {_value(distinct, kind)} AS told_apart," if distinct else "",
        "taken": f" COUNT(DISTINCT {taken}) AS taken," if is_share else "",
        "line": line,
        "lines": " AND ".join(lines),
        "all_taken": " SUM(taken) AS taken," if is_share else "",
        "measure": measure,
        "type": "DOUBLE" if is_share else "BIGINT",
        "hot": _hot(rule, references),
        "window": rule.window_seconds,
        "window_interval": _interval(rule.window_seconds),
        "quiet_interval": _interval(rule.quiet_seconds),
        "threshold": _threshold(rule, references),
        "reminds": _reminds(rule),
        "unit": rule.unit(kind),
        "severity": rule.severity,
        "test": str(rule.test).upper(),
        "tick": _rfc3339("tick"),
        "opened": _rfc3339("opened"),
        "duration": _seconds_between("opened", "tick"),
    }


def _mark(kind: Kind, test: bool) -> str:
    """Whether a line is one of a test, or none."""
    mark = kind.test
    assert mark is not None
    if mark.starts_with is not None:
        start = _text(mark.starts_with)
        return f"{_name(mark.column)} {'' if test else 'NOT '}LIKE {start[:-1]}%'"
    values = [mark.equals or ""] if mark.one_of is None else mark.one_of
    among = ", ".join(map(_text, values))
    return f"{_name(mark.column)} {'' if test else 'NOT '}IN ({among})"


def _test(where: Where, kind: Kind) -> str:
    """Whether a line is taken, as `where.matcher` says it."""
    value = _value(where.column, kind)
    if where.is_range:
        number = f"CASE WHEN REGEXP({value}, '{_NUMBER}') THEN TRY_CAST({value} AS DOUBLE) END"
        bounds = ((">=", where.at_least), ("<", where.below))
        return " AND ".join(
            f"{number} {sign} {_double(bound)}" for sign, bound in bounds if bound is not None
        )
    if where.starts_with is not None:
        return f"LEFT({value}, {len(where.starts_with)}) = {_text(where.starts_with)}"
    wanted = where.one_of if where.one_of is not None else [where.equals or ""]
    return f"{value} IN ({', '.join(map(_text, wanted))})"


def _value(column: str, kind: Kind) -> str:
    """A column's value as rules see it: never NULL."""
    value = f"COALESCE({_name(column)}, '')"
    return _address(value) if kind.columns[column] == "address" else value


def _hot(rule: Rule, references: References) -> str:
    """As `conditions` says it; a share is reckoned in whole numbers where it is a percentile's."""
    enough = f"order_count >= {rule.minimum_lines}"
    if isinstance(rule.threshold, Percentile):
        share, of = rule.threshold.share.as_integer_ratio()
        return f"taken * {of} > order_count * {share} AND {enough}"
    return f"amount >= {_threshold(rule, references)} AND {enough}"


def _scope(rule: Rule, kind: Kind, references: References) -> tuple[str, str]:
    """The group of a line, and what of the line decides it."""
    if rule.group_by is None:
        return "''", ""
    if rule.group_by == RUN and kind.test is not None:
        mark = kind.test
        column = _name(mark.column)
        whole = f"SPLIT_INDEX({column}, {_text(mark.run_until or '')}, 0)"
        whole = whole if mark.run_until else column
        run = f"SUBSTRING({whole}, {len(mark.starts_with or '') + 1})"
        return _safe(run), run
    key, groups = translation(rule, references)
    name = _name(str(key))
    value = _address(name) if kind.columns[str(key)] == "address" else _safe(name)
    if groups is None:
        return value, name
    return f"COALESCE({_map(groups)}[{value}], {_text(UNKNOWN)})", name


def _safe(value: str) -> str:
    """As `values.text`."""
    unprintable = r"[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}"
    is_long = f"CHAR_LENGTH({value}) > {LONGEST}"
    kept = f"SUBSTRING({value}, 1, CASE WHEN {is_long} THEN {KEPT} ELSE {LONGEST} END)"
    start = f"REGEXP_REPLACE({kept}, '{unprintable}', '{REPLACEMENT}')"
    whole = f"'…' || SUBSTRING(SHA256({value}), 1, {HASH})"
    return f"{start} || CASE WHEN {is_long} THEN {whole} ELSE '' END"


def _address(value: str) -> str:
    """As `values.Addresses`."""
    return f"CASE WHEN REGEXP({value}, '^{ADDRESS}\\z') THEN {value} ELSE {_text(UNKNOWN)} END"


def _threshold(rule: Rule, references: References) -> str:
    found = thresholds(rule, references)
    if len(found) == 1:
        return _double(found[UNKNOWN])
    return f"CAST(COALESCE({_map(found)}[group_value], {found[UNKNOWN]}) AS DOUBLE)"


def _double(number: float) -> str:
    return f"CAST('{number}' AS DOUBLE)"


def _reminds(rule: Rule) -> str:
    if rule.reminder_seconds is None:
        return "FALSE"
    seconds = "TIMESTAMPDIFF(SECOND, opened, tick)"
    return (
        f"tick > opened AND MOD({seconds}, {rule.reminder_seconds}) = 0 "
        f"AND TIMESTAMPADD(SECOND, {seconds}, opened) = tick"
    )


def _interval(seconds: int) -> str:
    return f"INTERVAL '{seconds}' SECOND({max(len(str(seconds)), 2)})"


def _seconds_between(first: str, last: str) -> str:
    tenths = f"(EXTRACT(MILLISECOND FROM {last}) - EXTRACT(MILLISECOND FROM {first})) / {TICK_MS}"
    return f"TIMESTAMPDIFF(SECOND, {first}, {last}) + MOD({tenths} + 10, 10) / 10.0"


def _rfc3339(name: str) -> str:
    return f"DATE_FORMAT({name}, 'yyyy-MM-dd''T''HH:mm:ss.SSS''Z''')"


def _map(values: Mapping[str, object]) -> str:
    items = (
        f"{_text(key)}, {_text(value) if isinstance(value, str) else value}"
        for key, value in sorted(values.items())
    )
    return f"MAP[{', '.join(items)}]"


def _name(column: str) -> str:
    """Quoted: some columns are SQL's own words."""
    return f"`{column}`"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
