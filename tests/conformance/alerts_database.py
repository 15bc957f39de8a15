"""Proves that every alert of a rendered database fires just beyond its threshold and is silent just before it.

Thresholds are those of the fixture that was rendered and of the README; none is read from an expression, which may be wrong.
"""

import math
import re

import yaml

from alerts_promtool import case, firing, steady

GIB = 1024**3
SIZES = {"small": (20, 10), "medium": (60, 50), "large": (150, 250)}
ALERTS = {"connections_percent": 80, "size_percent": 80, "transaction_minutes": 15, "deadlocks_per_hour": 5, "rollback_percent": 10}
BACKUPS = {
    "pgbackrest": "pgbackrest_backup_since_last_completion_seconds",
    "cloudnativepg": "cnpg_collector_last_available_backup_timestamp",
    "barman-cloud": "barman_cloud_cloudnative_pg_io_last_available_backup_timestamp",
}
DAY = 24 * 60


class Database:
    """One rendered database: what its fixture asked for, and the labels of its series."""

    def __init__(self, tree, rule):
        fixture = yaml.safe_load((tree.parent.parent / "cases" / f"{tree.name}.yaml").read_text())
        spec, self.parameters = fixture["spec"], fixture["spec"].get("parameters", {})
        connections, budget = SIZES[spec.get("size", "small")]
        self.name = fixture["name"]
        self.connections = spec.get("connection_limit", connections)
        self.budget = self.parameters.get("size_budget_gib", budget) * GIB
        self.limits = {**ALERTS, **self.parameters.get("alerts", {})}
        self.alerts = {alert["alert"]: alert for group in rule["spec"]["groups"] for alert in group["rules"]}
        self.series_labels = self.inside("MetricsAbsent", "pg_database_size_bytes")
        self.server_labels = self.inside("ServerDown", "pg_up")
        self.backup_metric = BACKUPS.get(self.parameters.get("backup", {}).get("exporter"))
        self.backup_labels = self.inside("BackupTooOld", self.backup_metric) if self.backup_metric else ""

    def inside(self, alert, metric):
        """The labels of a selector; strings in it may hold braces."""
        return re.search(metric + r'\{((?:"(?:\\.|[^"\\])*"|[^"}])*)\}', self.alerts[alert]["expr"]).group(1)

    def healthy(self, minutes):
        """Values by series, with nothing to complain about."""
        flat = lambda value: f"{value}x{minutes}"
        series = {
            self.up(): flat(1),
            self.of("pg_database_size_bytes"): flat(self.budget // 10),
            self.of("pg_stat_database_numbackends"): flat(1),
            self.of("pg_stat_activity_count", state="active"): flat(self.connections),
            self.of("pg_stat_activity_count", state="idle in transaction"): flat(1),
            self.of("pg_stat_activity_max_tx_duration", usename="app", state="active", backend_type="client backend"): flat(1),
            self.of("pg_stat_database_deadlocks"): flat(0),
            self.of("pg_stat_database_xact_commit"): steady(minutes, 6000),
            self.of("pg_stat_database_xact_rollback"): flat(0),
            self.of("pg_database_wraparound_age_datfrozenxid_seconds"): flat(10**8),
            self.lag(): flat(0),
            # Another server's exporter, which has never shown the database.
            'pg_up{instance="another:9187",job="another"}': flat(0),
            # A database that grows full on the same server.
            re.sub(r'datname="[^"]*"', 'datname="another"', self.of("pg_database_size_bytes", instance="third:9187")): flat(self.budget * 2),
        }
        if self.backup_metric:
            # Just now, whenever that is; or no second ago.
            series[self.backup()] = flat(0) if "since" in self.backup_metric else steady(minutes, 60)
        return series

    def labelled(self, metric, labels, more):
        pairs = [labels] if labels else []
        pairs += [f'{key}="{value}"' for key, value in more.items() if f"{key}=" not in labels]
        return f"{metric}{{{','.join(pairs)}}}"

    def of(self, metric, **more):
        return self.labelled(metric, self.series_labels, {"instance": "main:9187", **more})

    def up(self):
        return self.labelled("pg_up", self.server_labels, {"instance": "main:9187"})

    def lag(self):
        return self.labelled("pg_replication_lag_seconds", self.server_labels, {"instance": "main:9187"})

    def backup(self):
        return self.labelled(self.backup_metric, self.backup_labels, {})


def share(whole, percent):
    """The fewest of a whole that are at least so many percent, and one fewer."""
    least = math.ceil(whole * percent / 100)
    return least, least - 1


def grows(start, per_day, days=1.1):
    minutes = round(days * DAY)
    return f"{round(start)}+{round(per_day / DAY)}x{minutes}"


def situations(database):
    """Alert, what happens, series that differ from a healthy database's, minutes, whether it fires, labels."""
    limits, budget = database.limits, database.budget
    backends = database.of("pg_stat_database_numbackends")
    for alert, percent in (("ConnectionsNearLimit", limits["connections_percent"]), ("ConnectionsExhausted", 95)):
        reached, below = share(database.connections, percent)
        yield alert, "enough connections", {backends: f"{reached}x60"}, 30, True, {}
        yield alert, "one connection fewer", {backends: f"{below}x60"}, 30, False, {}

    gone = {database.up(): "1x10 0x60", database.of("pg_database_size_bytes"): "5x10 _x60"}
    yield "ServerDown", "a server that is gone", gone, 20, True, {}
    yield "MetricsAbsent", "a server that is gone", gone, 30, True, {}

    seconds = limits["transaction_minutes"] * 60
    oldest = lambda kind: database.of("pg_stat_activity_max_tx_duration", usename="app", state="active", backend_type=kind)
    yield "LongTransaction", "an old transaction", {oldest("client backend"): f"{seconds + 1}x60"}, 30, True, {}
    yield "LongTransaction", "a younger transaction", {oldest("client backend"): f"{seconds}x60"}, 30, False, {}
    yield "LongTransaction", "vacuum at work", {oldest("autovacuum worker"): f"{seconds * 9}x60"}, 30, False, {}

    idle = database.of("pg_stat_activity_count", state="idle in transaction")
    yield "IdleInTransaction", "many idle transactions", {idle: f"{database.connections // 4 + 1}x60"}, 30, True, {}
    yield "IdleInTransaction", "a quarter of them", {idle: f"{database.connections // 4}x60"}, 30, False, {}

    deadlocks, allowed = database.of("pg_stat_database_deadlocks"), limits["deadlocks_per_hour"]
    yield "Deadlocks", "too many", {deadlocks: f"0x30 {allowed + 1}x60"}, 60, True, {}
    yield "Deadlocks", "few", {deadlocks: f"0x30 {max(allowed - 1, 0)}x60"}, 60, False, {}
    yield "Deadlocks", "long ago", {deadlocks: f"0x30 {allowed + 9}x120"}, 120, False, {}

    commits, rollbacks = database.of("pg_stat_database_xact_commit"), database.of("pg_stat_database_xact_rollback")
    mixed = lambda percent: {commits: steady(90, 100 * (100 - percent)), rollbacks: steady(90, 100 * percent)}
    yield "RollbackRatio", "too many", mixed(limits["rollback_percent"] + 1), 60, True, {}
    yield "RollbackRatio", "few", mixed(limits["rollback_percent"] - 1), 60, False, {}
    rare = " ".join(str(minute // 3) for minute in range(90))
    yield "RollbackRatio", "all of nearly none", {commits: "0x90", rollbacks: rare}, 60, False, {}

    size, percent = database.of("pg_database_size_bytes"), limits["size_percent"]
    yield "SizeNearBudget", "large", {size: f"{budget * percent // 100 + 1}x90"}, 60, True, {}
    yield "SizeNearBudget", "smaller", {size: f"{budget * percent // 100 - 1}x90"}, 60, False, {}
    end = round(1.1 * DAY)
    yield "SizeGrowth", "fast growth", {size: grows(budget * 0.55, budget * 0.08)}, end, True, {}
    yield "SizeGrowth", "slow growth", {size: grows(budget * 0.55, budget * 0.04)}, end, False, {}
    yield "SizeGrowth", "a new database that is filled", {size: grows(budget * 0.1, budget * 0.3)}, end, False, {}

    age = database.of("pg_database_wraparound_age_datfrozenxid_seconds")
    for value, ticket, page in ((4.9e8, False, False), (5.1e8, True, False), (1.49e9, True, False), (1.51e9, True, True)):
        for severity, fires in (("ticket", ticket), ("page", page)):
            yield "TransactionIdAge", f"{value:g} for a {severity}", {age: f"{int(value)}x60"}, 30, fires, {"severity": severity}

    if "replication" in database.parameters:
        allowed = database.parameters["replication"]["max_lag_seconds"]
        yield "ReplicationLag", "far behind", {database.lag(): f"{allowed + 1}x60"}, 30, True, {}
        yield "ReplicationLag", "close behind", {database.lag(): f"{allowed}x60"}, 30, False, {}
    if "backup" in database.parameters:
        yield from backups(database)


def backups(database):
    allowed, at = database.parameters["backup"]["max_age_hours"] * 3600, 45
    # The clock of a test starts at zero.
    value = lambda age: age if "since" in database.backup_metric else at * 60 - age
    yield "BackupTooOld", "an old backup", {database.backup(): f"{value(allowed + 3600)}x60"}, at, True, {}
    yield "BackupTooOld", "a younger backup", {database.backup(): f"{value(allowed - 1)}x60"}, at, False, {}
    yield "BackupTooOld", "a backup that nobody measures", {database.backup(): "_x60"}, at, True, {}


def database_cases(tree, rule):
    database = Database(tree, rule)
    tested = set()
    for alert, what, changed, minutes, fires, labels in situations(database):
        tested.add(alert)
        series = {**database.healthy(minutes + 30), **changed}
        name = f"{database.name} {alert}: {'fires for' if fires else 'silent for'} {what}"
        yield case(name, listed(series), minutes, [(firing(alert, **labels), fires)])
    assert tested == database.alerts.keys(), f"no test knows the alerts {database.alerts.keys() ^ tested}"
    everything = 'count(ALERTS{alertstate="firing"})'
    yield case(f"{database.name}: a healthy database is silent", listed(database.healthy(200)), 180, [(everything, False)])
    yield case(f"{database.name} MetricsAbsent: fires without any exporter", [], 30, [(firing("MetricsAbsent"), True)])


def listed(series):
    return [{"series": name, "values": values} for name, values in series.items()]
