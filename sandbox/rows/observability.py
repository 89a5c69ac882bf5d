"""CloudWatch: log groups and alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.rows.arguments import Made

if TYPE_CHECKING:
    from sandbox.rows.arguments import Arguments, Cloud, Make, Row


def log_group(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.cloudwatch.LogGroup."""
    name = arguments.take("name") or cloud.physical_name(arguments.name)
    days = arguments.take("retentionInDays")
    call = {"tags": cloud.tags(arguments), **arguments.renamed(kmsKeyId="kmsKeyId", logGroupClass="logGroupClass")}
    arguments.take("skipDestroy")  # a sandbox destroys nothing before it ends

    def make() -> Made:
        logs = cloud.client("logs")
        logs.create_log_group(logGroupName=name, **call)
        if days:
            logs.put_retention_policy(logGroupName=name, retentionInDays=int(days))
        return Made(name, {"name": name, "arn": cloud.arn("logs", f"log-group:{name}")})

    return make


def metric_alarm(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.cloudwatch.MetricAlarm."""
    name = arguments.take("name") or cloud.physical_name(arguments.name)
    dimensions: dict[str, str] = arguments.take("dimensions") or {}
    call = {
        "AlarmName": name,
        "ComparisonOperator": arguments.need("comparisonOperator"),
        "EvaluationPeriods": int(arguments.need("evaluationPeriods")),
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Tags": cloud.tag_list(arguments),
        **arguments.renamed(
            Namespace="namespace",
            MetricName="metricName",
            Statistic="statistic",
            ExtendedStatistic="extendedStatistic",
            Threshold="threshold",
            TreatMissingData="treatMissingData",
            AlarmDescription="alarmDescription",
            AlarmActions="alarmActions",
            OKActions="okActions",
            InsufficientDataActions="insufficientDataActions",
            Unit="unit",
        ),
    }
    for api, key in {"Period": "period", "DatapointsToAlarm": "datapointsToAlarm"}.items():
        if (value := arguments.take(key)) is not None:
            call[api] = int(value)

    def make() -> Made:
        cloud.client("cloudwatch").put_metric_alarm(**call)
        return Made(name, {"name": name, "arn": cloud.arn("cloudwatch", f"alarm:{name}")})

    return make


ROWS: dict[str, Row] = {
    "aws:cloudwatch/logGroup:LogGroup": log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": metric_alarm,
}
