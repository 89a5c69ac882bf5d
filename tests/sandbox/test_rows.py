"""The monitor's table: every row makes its resource in the local AWS, and nothing of a program is silently dropped."""

from __future__ import annotations

import ast
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_aws
import pytest

from layer_builds.plan import REPOSITORY
from sandbox.rows import ROWS, Arguments, Cloud, UnsupportedError
from tests.sandbox.hosted import zipped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.sandbox.hosted import Hosted

pytestmark = pytest.mark.xdist_group("lambda-host")

POLICY = {"Version": "2012-10-17", "Statement": []}
ALLOWING = {**POLICY, "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CODE = pulumi.AssetArchive({"app.py": pulumi.StringAsset("def handler(event, context): return event")})


@dataclasses.dataclass
class Bench:
    """Makes resources through their rows; what one test makes, later arguments can refer to."""

    cloud: Cloud
    made: int = 0

    def make(self, kind: str, **values: Any) -> dict[str, Any]:
        """Make one; its arguments, outputs and id together."""
        self.made += 1
        arguments = Arguments(kind, f"r{self.made}", values)
        make = ROWS[kind](arguments, self.cloud)
        arguments.finished()
        made = make()
        return {**values, **made.outputs, "id": made.id}

    def role(self) -> str:
        return self.make("aws:iam/role:Role", assumeRolePolicy=json.dumps(POLICY))["arn"]

    def function(self, **values: Any) -> dict[str, Any]:
        standard = {"role": self.role(), "runtime": "python3.13", "handler": "app.handler", "code": CODE}
        return self.make("aws:lambda/function:Function", **standard, publish=True, **values)

    def alias(self) -> dict[str, Any]:
        function = self.function(timeout=5)
        values = {"functionName": function["name"], "functionVersion": function["version"], "name": "live"}
        return {**self.make("aws:lambda/alias:Alias", **values), "function": function["name"]}

    def bucket(self) -> str:
        return self.make("aws:s3/bucket:Bucket", forceDestroy=True)["bucket"]

    def topic(self) -> str:
        return self.make("aws:sns/topic:Topic")["arn"]

    def queue(self, **values: Any) -> dict[str, Any]:
        return self.make("aws:sqs/queue:Queue", **values)

    def api(self) -> str:
        return self.make("aws:apigatewayv2/api:Api", protocolType="HTTP")["id"]


@pytest.fixture
def bench(hosted: Hosted) -> Bench:
    tags = {"stack": "test"}
    return Bench(Cloud(hosted.account, "strata", "test", "${project}-${stack}-${name}-${hex(6)}", tags))


# Each case makes one resource of its type and reads back from the cloud what its arguments asked for.


def _role(bench: Bench, client: Callable[[str], Any]) -> None:
    made = bench.make("aws:iam/role:Role", assumeRolePolicy=POLICY, description="d", tags={"own": "1"})
    found = client("iam").get_role(RoleName=made["name"])["Role"]
    assert (found["Arn"], found["Description"]) == (made["arn"], "d")
    tags = client("iam").list_role_tags(RoleName=made["name"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"stack": "test", "own": "1"}


def _role_policy(bench: Bench, client: Callable[[str], Any]) -> None:
    role = bench.role().rsplit("/", 1)[1]
    made = bench.make("aws:iam/rolePolicy:RolePolicy", role=role, policy=json.dumps(ALLOWING))
    assert client("iam").list_role_policies(RoleName=role)["PolicyNames"] == [made["name"]]


def _log_group(bench: Bench, client: Callable[[str], Any]) -> None:
    made = bench.make("aws:cloudwatch/logGroup:LogGroup", retentionInDays=7.0, skipDestroy=True)
    (found,) = client("logs").describe_log_groups(logGroupNamePrefix=made["name"])["logGroups"]
    assert found["retentionInDays"] == 7
    assert found["arn"] == f"{made['arn']}:*"


def _metric_alarm(bench: Bench, client: Callable[[str], Any]) -> None:
    values = {"namespace": "N", "metricName": "M", "statistic": "Sum", "period": 60.0, "threshold": 1.0}
    made = bench.make(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        comparisonOperator="GreaterThanOrEqualToThreshold",
        evaluationPeriods=1.0,
        dimensions={"A": "b"},
        treatMissingData="notBreaching",
        alarmActions=["arn:aws:sns:eu-central-1:123456789012:t"],
        **values,
    )
    (found,) = client("cloudwatch").describe_alarms(AlarmNames=[made["name"]])["MetricAlarms"]
    assert (found["Dimensions"], found["Period"]) == ([{"Name": "A", "Value": "b"}], 60)
    assert (found["TreatMissingData"], len(found["AlarmActions"])) == ("notBreaching", 1)


def _layer_version(bench: Bench, client: Callable[[str], Any]) -> None:
    bucket = bench.bucket()
    client("s3").put_object(Bucket=bucket, Key="k.zip", Body=zipped({"python/x.py": ""}))
    values = {"layerName": f"l-{bucket}"[:60], "s3Bucket": bucket, "s3Key": "k.zip", "description": "d"}
    made = bench.make("aws:lambda/layerVersion:LayerVersion", **values, compatibleRuntimes=["python3.13"])
    found = client("lambda").get_layer_version_by_arn(Arn=made["arn"])
    assert (found["Description"], found["CompatibleRuntimes"]) == ("d", ["python3.13"])
    with pytest.raises(client("s3").exceptions.ClientError, match=r"404|Not Found"):
        bench.make("aws:lambda/layerVersion:LayerVersion", layerName="l", s3Bucket=bucket, s3Key="missing.zip")


def _function(bench: Bench, client: Callable[[str], Any]) -> None:
    made = bench.function(
        memorySize=256.0,
        timeout=7.0,
        architectures=["x86_64"],
        environment={"variables": {"A": "1"}},
        tracingConfig={"mode": "Active"},
        loggingConfig={"logFormat": "JSON", "logGroup": "g"},
        reservedConcurrentExecutions=3.0,
        ephemeralStorage={"size": 1024.0},
        vpcConfig={"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
    )
    found = client("lambda").get_function(FunctionName=made["name"])
    config = found["Configuration"]
    assert (config["MemorySize"], config["Timeout"]) == (256, 7)
    assert config["Environment"]["Variables"] == {"A": "1"}
    assert config["EphemeralStorage"]["Size"] == 1024
    assert (config["VpcConfig"]["SubnetIds"], config["VpcConfig"]["SecurityGroupIds"]) == (["subnet-1"], ["sg-1"])
    assert (config["TracingConfig"]["Mode"], config["LoggingConfig"]["LogFormat"]) == ("Active", "JSON")
    assert found["Concurrency"]["ReservedConcurrentExecutions"] == 3
    assert (made["version"], made["qualifiedArn"]) == ("1", f"{made['arn']}:1")


def _image_function(bench: Bench, client: Callable[[str], Any]) -> None:
    repository = bench.make("aws:ecr/repository:Repository")
    uri = f"{repository['repositoryUrl']}:abc"
    values = {"packageType": "Image", "imageUri": uri, "imageConfig": {"commands": ["app.handler"]}}
    made = bench.make("aws:lambda/function:Function", role=bench.role(), publish=True, timeout=5.0, **values)
    found = client("lambda").get_function(FunctionName=made["name"], Qualifier="1")
    assert (found["Configuration"]["PackageType"], found["Code"]["ImageUri"]) == ("Image", uri)
    assert found["Configuration"]["ImageConfigResponse"]["ImageConfig"] == {"Command": ["app.handler"]}


def _function_url(bench: Bench, client: Callable[[str], Any]) -> None:
    alias = bench.alias()
    cors = {"allowOrigins": ["https://example.com"], "allowMethods": ["*"], "maxAge": 3600.0}
    made = bench.make(
        "aws:lambda/functionUrl:FunctionUrl",
        functionName=alias["function"],
        qualifier="live",
        authorizationType="AWS_IAM",
        cors=cors,
    )
    found = client("lambda").get_function_url_config(FunctionName=alias["function"], Qualifier="live")
    assert (found["AuthType"], found["Cors"]["MaxAge"]) == ("AWS_IAM", 3600)
    assert made["urlId"] in found["FunctionUrl"]
    assert made["functionUrl"].endswith(f"/_aws/lambda-url/{made['urlId']}/")


def _function_url_permissions(bench: Bench, client: Callable[[str], Any]) -> None:
    alias = bench.alias()
    values = {"function": alias["function"], "qualifier": "live", "principal": "*"}
    url = {"action": "lambda:InvokeFunctionUrl", "functionUrlAuthType": "NONE"}
    bench.make("aws:lambda/permission:Permission", **values, **url)
    through = {"action": "lambda:InvokeFunction", "invokedViaFunctionUrl": True}
    bench.make("aws:lambda/permission:Permission", **values, **through)
    policy = client("lambda").get_policy(FunctionName=alias["function"], Qualifier="live")["Policy"]
    conditions = {statement["Action"]: statement["Condition"] for statement in json.loads(policy)["Statement"]}
    assert conditions["lambda:InvokeFunctionUrl"] == {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}
    assert conditions["lambda:InvokeFunction"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}


def _provisioned_concurrency(bench: Bench, client: Callable[[str], Any]) -> None:
    alias = bench.alias()
    kind = "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig"
    bench.make(kind, functionName=alias["function"], qualifier="live", provisionedConcurrentExecutions=2.0)
    found = client("lambda").get_provisioned_concurrency_config(FunctionName=alias["function"], Qualifier="live")
    assert found["RequestedProvisionedConcurrentExecutions"] == 2


def _repository(bench: Bench, client: Callable[[str], Any]) -> None:
    values = {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}}
    made = bench.make("aws:ecr/repository:Repository", forceDelete=True, **values)
    (found,) = client("ecr").describe_repositories(repositoryNames=[made["name"]])["repositories"]
    assert (found["imageTagMutability"], found["imageScanningConfiguration"]["scanOnPush"]) == ("IMMUTABLE", True)
    assert made["repositoryUrl"] == found["repositoryUri"]
    assert client("ecr").list_tags_for_resource(resourceArn=made["arn"])["tags"] == [{"Key": "stack", "Value": "test"}]


def _lifecycle_policy(bench: Bench, client: Callable[[str], Any]) -> None:
    repository = bench.make("aws:ecr/repository:Repository")["name"]
    rule = {
        "rulePriority": 1,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 50},
        "action": {"type": "expire"},
    }
    bench.make("aws:ecr/lifecyclePolicy:LifecyclePolicy", repository=repository, policy=json.dumps({"rules": [rule]}))
    found = client("ecr").get_lifecycle_policy(repositoryName=repository)["lifecyclePolicyText"]
    assert json.loads(found)["rules"] == [rule]


def _alias(bench: Bench, client: Callable[[str], Any]) -> None:
    made = bench.alias()
    assert client("lambda").get_alias(FunctionName=made["function"], Name="live")["FunctionVersion"] == "1"
    assert made["invokeArn"].endswith(f"functions/{made['arn']}/invocations")


def _event_source_mapping(bench: Bench, client: Callable[[str], Any]) -> None:
    queue = bench.queue(visibilityTimeoutSeconds=60)
    made = bench.make(
        "aws:lambda/eventSourceMapping:EventSourceMapping",
        eventSourceArn=queue["arn"],
        functionName=bench.alias()["arn"],
        batchSize=10.0,
        maximumBatchingWindowInSeconds=0.0,
        functionResponseTypes=["ReportBatchItemFailures"],
        scalingConfig={"maximumConcurrency": 2.0},
        filterCriteria={"filters": [{"pattern": '{"body": {"a": [1]}}'}]},
    )
    found = client("lambda").get_event_source_mapping(UUID=made["uuid"])
    assert (found["BatchSize"], found["ScalingConfig"]) == (10, {"MaximumConcurrency": 2})
    assert found["FunctionArn"].endswith(":live")
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def _permission(bench: Bench, client: Callable[[str], Any]) -> None:
    alias = bench.alias()
    values = {"function": alias["function"], "qualifier": "live", "action": "lambda:InvokeFunction"}
    arn = "arn:aws:sns:eu-central-1:123456789012:t"
    bench.make("aws:lambda/permission:Permission", principal="sns.amazonaws.com", sourceArn=arn, **values)
    policy = json.loads(client("lambda").get_policy(FunctionName=alias["function"], Qualifier="live")["Policy"])
    assert arn in json.dumps(policy)


def _function_event_invoke_config(bench: Bench, client: Callable[[str], Any]) -> None:
    alias, queue = bench.alias(), bench.queue()
    bench.make(
        "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
        functionName=alias["function"],
        qualifier="live",
        maximumRetryAttempts=1.0,
        maximumEventAgeInSeconds=600.0,
        destinationConfig={"onFailure": {"destination": queue["arn"]}},
    )
    found = client("lambda").get_function_event_invoke_config(FunctionName=alias["function"], Qualifier="live")
    assert (found["MaximumRetryAttempts"], found["MaximumEventAgeInSeconds"]) == (1, 600)
    assert found["DestinationConfig"]["OnFailure"]["Destination"] == queue["arn"]


def _queue(bench: Bench, client: Callable[[str], Any]) -> None:
    dead = bench.queue(messageRetentionSeconds=1_209_600.0)
    redrive = json.dumps({"deadLetterTargetArn": dead["arn"], "maxReceiveCount": 5})
    made = bench.queue(visibilityTimeoutSeconds=90.0, redrivePolicy=redrive, sqsManagedSseEnabled=True)
    found = client("sqs").get_queue_attributes(QueueUrl=made["url"], AttributeNames=["All"])["Attributes"]
    assert (found["VisibilityTimeout"], found["QueueArn"]) == ("90", made["arn"])
    assert json.loads(found["RedrivePolicy"])["maxReceiveCount"] in {5, "5"}
    assert bench.queue(fifoQueue=True)["name"].endswith(".fifo")


def _queue_policy(bench: Bench, client: Callable[[str], Any]) -> None:
    url = bench.queue()["url"]
    bench.make("aws:sqs/queuePolicy:QueuePolicy", queueUrl=url, policy=POLICY)
    found = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    assert json.loads(found["Policy"]) == POLICY


def _topic(bench: Bench, client: Callable[[str], Any]) -> None:
    made = bench.make("aws:sns/topic:Topic", displayName="d")
    assert client("sns").get_topic_attributes(TopicArn=made["arn"])["Attributes"]["DisplayName"] == "d"


def _topic_policy(bench: Bench, client: Callable[[str], Any]) -> None:
    topic = bench.topic()
    bench.make("aws:sns/topicPolicy:TopicPolicy", arn=topic, policy=POLICY)
    assert json.loads(client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]) == POLICY


def _topic_subscription(bench: Bench, client: Callable[[str], Any]) -> None:
    topic, queue = bench.topic(), bench.queue()
    values = {"topic": topic, "protocol": "sqs", "endpoint": queue["arn"], "rawMessageDelivery": True}
    made = bench.make("aws:sns/topicSubscription:TopicSubscription", **values)
    found = client("sns").get_subscription_attributes(SubscriptionArn=made["arn"])["Attributes"]
    assert (found["Endpoint"], found["RawMessageDelivery"]) == (queue["arn"], "true")


def _bucket(bench: Bench, client: Callable[[str], Any]) -> None:
    made = bench.make("aws:s3/bucket:Bucket", forceDestroy=True)
    tags = client("s3").get_bucket_tagging(Bucket=made["bucket"])["TagSet"]
    assert tags == [{"Key": "stack", "Value": "test"}]


def _public_access_block(bench: Bench, client: Callable[[str], Any]) -> None:
    bucket = bench.bucket()
    values = {"blockPublicAcls": True, "ignorePublicAcls": True, "restrictPublicBuckets": True}
    kind = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    bench.make(kind, bucket=bucket, blockPublicPolicy=True, **values)
    found = client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(found.values()) == {True}


def _encryption(bench: Bench, client: Callable[[str], Any]) -> None:
    bucket = bench.bucket()
    rules = [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}, "bucketKeyEnabled": False}]
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    bench.make(kind, bucket=bucket, rules=rules)
    found = client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    assert found["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def _versioning(bench: Bench, client: Callable[[str], Any]) -> None:
    bucket = bench.bucket()
    bench.make("aws:s3/bucketVersioning:BucketVersioning", bucket=bucket, versioningConfiguration={"status": "Enabled"})
    assert client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def _cors(bench: Bench, client: Callable[[str], Any]) -> None:
    bucket = bench.bucket()
    rule = {"allowedMethods": ["GET", "POST"], "allowedOrigins": ["https://a.example"], "maxAgeSeconds": 60.0}
    bench.make("aws:s3/bucketCorsConfiguration:BucketCorsConfiguration", bucket=bucket, corsRules=[rule])
    (found,) = client("s3").get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert found["AllowedMethods"] == ["GET", "POST"]
    assert found["AllowedOrigins"] == ["https://a.example"]
    assert found["MaxAgeSeconds"] == 60


def _lifecycle(bench: Bench, client: Callable[[str], Any]) -> None:
    bucket = bench.bucket()
    rules = [
        {"id": "gone", "status": "Enabled", "filter": {"prefix": "in/"}, "expiration": {"days": 1.0}},
        {
            "id": "tier",
            "status": "Enabled",
            "filter": {"prefix": "kept/"},
            "transitions": [{"days": 0, "storageClass": "INTELLIGENT_TIERING"}],
            "noncurrentVersionExpiration": {"noncurrentDays": 2.0},
        },
    ]
    bench.make("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", bucket=bucket, rules=rules)
    gone, tier = client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert (gone["Filter"]["Prefix"], gone["Expiration"]["Days"]) == ("in/", 1)
    assert tier["Transitions"][0]["StorageClass"] == "INTELLIGENT_TIERING"
    assert tier["NoncurrentVersionExpiration"]["NoncurrentDays"] == 2


def _bucket_policy(bench: Bench, client: Callable[[str], Any]) -> None:
    bucket = bench.bucket()
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/no/*",
    }
    bench.make("aws:s3/bucketPolicy:BucketPolicy", bucket=bucket, policy={**POLICY, "Statement": [statement]})
    assert json.loads(client("s3").get_bucket_policy(Bucket=bucket)["Policy"])["Statement"] == [statement]


def _notification(bench: Bench, client: Callable[[str], Any]) -> None:
    bucket, topic, queue, alias = bench.bucket(), bench.topic(), bench.queue(), bench.alias()
    admits = {"Effect": "Allow", "Principal": "*", "Action": ["sns:Publish", "sqs:SendMessage"], "Resource": "*"}
    policy = {**POLICY, "Statement": [admits]}
    bench.make("aws:sns/topicPolicy:TopicPolicy", arn=topic, policy=policy)
    bench.make("aws:sqs/queuePolicy:QueuePolicy", queueUrl=queue["url"], policy=policy)
    values = {"function": alias["function"], "qualifier": "live", "action": "lambda:InvokeFunction"}
    bench.make("aws:lambda/permission:Permission", principal="s3.amazonaws.com", **values)
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    bench.make(
        "aws:s3/bucketNotification:BucketNotification",
        bucket=bucket,
        topics=[{"id": "t", "topicArn": topic, "events": events, "filterPrefix": "a+b%3D1/", "filterSuffix": ".txt"}],
        queues=[{"id": "q", "queueArn": queue["arn"], "events": events, "filterPrefix": "queue/"}],
        lambdaFunctions=[{"id": "f", "lambdaFunctionArn": alias["arn"], "events": events, "filterPrefix": "call/"}],
    )
    found = client("s3").get_bucket_notification_configuration(Bucket=bucket)
    ((told,), (queued,), (called,)) = (found[f"{what}Configurations"] for what in ("Topic", "Queue", "LambdaFunction"))
    rules = {rule["Name"].lower(): rule["Value"] for rule in told["Filter"]["Key"]["FilterRules"]}
    assert (told["TopicArn"], rules) == (topic, {"prefix": "a b=1/", "suffix": ".txt"})
    assert (queued["QueueArn"], called["LambdaFunctionArn"]) == (queue["arn"], alias["arn"])
    assert told["Events"] == queued["Events"] == called["Events"] == events


def _secret(bench: Bench, client: Callable[[str], Any]) -> None:
    made = bench.make("aws:secretsmanager/secret:Secret", description="d", recoveryWindowInDays=0)
    found = client("secretsmanager").describe_secret(SecretId=made["arn"])
    assert (found["Name"], found["Description"]) == (made["name"], "d")


def _table(bench: Bench, client: Callable[[str], Any]) -> None:
    made = bench.make(
        "aws:dynamodb/table:Table",
        hashKey="id",
        rangeKey="at",
        attributes=[{"name": name, "type": "S"} for name in ("id", "at", "owner")],
        billingMode="PAY_PER_REQUEST",
        ttl={"attributeName": "expires", "enabled": True},
        pointInTimeRecovery={"enabled": True},
        globalSecondaryIndexes=[{"name": "by-owner", "hashKey": "owner", "projectionType": "ALL"}],
        serverSideEncryption={"enabled": True, "kmsKeyArn": KEY},
        deletionProtectionEnabled=True,
    )
    found = client("dynamodb").describe_table(TableName=made["name"])["Table"]
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert (found["SSEDescription"]["KMSMasterKeyArn"], found["DeletionProtectionEnabled"]) == (KEY, True)
    backups = client("dynamodb").describe_continuous_backups(TableName=made["name"])["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    ttl = client("dynamodb").describe_time_to_live(TableName=made["name"])["TimeToLiveDescription"]
    assert (ttl["AttributeName"], ttl["TimeToLiveStatus"]) == ("expires", "ENABLED")
    assert [key["AttributeName"] for key in found["KeySchema"]] == ["id", "at"]
    assert [index["IndexName"] for index in found["GlobalSecondaryIndexes"]] == ["by-owner"]


def _api(bench: Bench, client: Callable[[str], Any]) -> None:
    cors = {"allowOrigins": ["https://example.com"], "allowMethods": ["GET"], "maxAge": 60.0}
    made = bench.make("aws:apigatewayv2/api:Api", protocolType="HTTP", corsConfiguration=cors)
    found = client("apigatewayv2").get_api(ApiId=made["id"])
    assert found["CorsConfiguration"]["AllowOrigins"] == ["https://example.com"]


def _integration(bench: Bench, client: Callable[[str], Any]) -> None:
    api = bench.api()
    values = {"integrationType": "AWS_PROXY", "payloadFormatVersion": "2.0", "timeoutMilliseconds": 29000.0}
    uri = bench.alias()["invokeArn"]
    made = bench.make("aws:apigatewayv2/integration:Integration", apiId=api, integrationUri=uri, **values)
    found = client("apigatewayv2").get_integration(ApiId=api, IntegrationId=made["id"])
    assert (found["IntegrationUri"], found["TimeoutInMillis"]) == (uri, 29000)


def _route(bench: Bench, client: Callable[[str], Any]) -> None:
    api = bench.api()
    made = bench.make("aws:apigatewayv2/route:Route", apiId=api, routeKey="GET /x", authorizationType="NONE")
    assert client("apigatewayv2").get_route(ApiId=api, RouteId=made["id"])["RouteKey"] == "GET /x"


def _stage(bench: Bench, client: Callable[[str], Any]) -> None:
    api = bench.api()
    settings = {"throttlingBurstLimit": 5.0, "throttlingRateLimit": 10.0}
    made = bench.make(
        "aws:apigatewayv2/stage:Stage", apiId=api, name="$default", autoDeploy=True, defaultRouteSettings=settings
    )
    assert client("apigatewayv2").get_stage(ApiId=api, StageName="$default")["AutoDeploy"] is True
    assert api in made["invokeUrl"]


MORE = {
    "a function that is an image": _image_function,
    "the permissions of a function's URL": _function_url_permissions,
}
"""Further forms of a type that has a case."""
CASES: Mapping[str, Callable[[Bench, Callable[[str], Any]], None]] = {
    "aws:iam/role:Role": _role,
    "aws:iam/rolePolicy:RolePolicy": _role_policy,
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _metric_alarm,
    "aws:lambda/layerVersion:LayerVersion": _layer_version,
    "aws:lambda/function:Function": _function,
    "aws:lambda/alias:Alias": _alias,
    "aws:lambda/eventSourceMapping:EventSourceMapping": _event_source_mapping,
    "aws:lambda/permission:Permission": _permission,
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": _function_event_invoke_config,
    "aws:lambda/functionUrl:FunctionUrl": _function_url,
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": _provisioned_concurrency,
    "aws:ecr/repository:Repository": _repository,
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": _lifecycle_policy,
    "aws:sqs/queue:Queue": _queue,
    "aws:sqs/queuePolicy:QueuePolicy": _queue_policy,
    "aws:sns/topic:Topic": _topic,
    "aws:sns/topicPolicy:TopicPolicy": _topic_policy,
    "aws:sns/topicSubscription:TopicSubscription": _topic_subscription,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _public_access_block,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _encryption,
    "aws:s3/bucketVersioning:BucketVersioning": _versioning,
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": _cors,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _lifecycle,
    "aws:s3/bucketPolicy:BucketPolicy": _bucket_policy,
    "aws:s3/bucketNotification:BucketNotification": _notification,
    "aws:secretsmanager/secret:Secret": _secret,
    "aws:dynamodb/table:Table": _table,
    "aws:apigatewayv2/api:Api": _api,
    "aws:apigatewayv2/integration:Integration": _integration,
    "aws:apigatewayv2/route:Route": _route,
    "aws:apigatewayv2/stage:Stage": _stage,
}


def test_every_row_has_a_case() -> None:
    assert sorted(CASES) == sorted(ROWS)


@pytest.mark.parametrize("kind", [*CASES, *MORE])
def test_a_row_makes_what_its_arguments_say(bench: Bench, kind: str) -> None:
    {**CASES, **MORE}[kind](bench, bench.cloud.client)


@pytest.mark.parametrize("kind", ROWS)
def test_an_argument_that_a_row_does_not_know_is_refused_by_name(bench: Bench, kind: str) -> None:
    # Every argument that a row may ask for, and one that none does.
    known = {
        **dict.fromkeys(
            (
                *("assumeRolePolicy", "policy", "role", "policyArn", "comparisonOperator", "layerName", "s3Bucket"),
                *("s3Key", "functionName", "functionVersion", "name", "eventSourceArn", "function", "action"),
                *("principal", "queueUrl", "arn", "topic", "protocol", "endpoint", "bucket", "type", "value"),
                *("hashKey", "protocolType", "apiId", "integrationType", "routeKey", "authorizationType", "qualifier"),
                *("repository",),
            ),
            "x",
        ),
        "code": CODE,
        "evaluationPeriods": 1,
        "provisionedConcurrentExecutions": 1,
    }
    arguments = Arguments(kind, "r", {**known, "nonsense": 1})
    ROWS[kind](arguments, bench.cloud)
    with pytest.raises(UnsupportedError, match=r"does not model .*nonsense.*" + kind):
        arguments.finished()


def test_an_unknown_argument_in_a_nested_block_is_refused_by_its_path(bench: Bench) -> None:
    with pytest.raises(UnsupportedError, match=r"loggingConfig\.nonsense"):
        bench.function(loggingConfig={"logFormat": "JSON", "nonsense": 1})


def test_a_missing_argument_is_named(bench: Bench) -> None:
    with pytest.raises(UnsupportedError, match=r"aws:sqs/queuePolicy:QueuePolicy 'r1' needs the argument queueUrl"):
        bench.make("aws:sqs/queuePolicy:QueuePolicy", policy=POLICY)


def test_physical_names_follow_the_stacks_autonaming(bench: Bench) -> None:
    assert bench.cloud.physical_name("queue").startswith("strata-test-queue-")
    assert len(bench.cloud.physical_name("queue")) == len("strata-test-queue-") + 6


def types_in(path: Path) -> set[str]:
    """The type tokens of the AWS resources that a source file registers."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        match node.func:
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="aws"), attr=module), attr=name):
                kind = getattr(getattr(pulumi_aws, module), name)
                if isinstance(kind, type) and issubclass(kind, pulumi.CustomResource):
                    found.add(str(kind.pulumi_type))  # type: ignore[attr-defined]
            case _:
                pass
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # importing pulumi_aws.s3 warns of its own old names
def test_the_rows_are_those_of_the_resource_types_in_the_components() -> None:
    used = {kind for path in (REPOSITORY / "components").rglob("*.py") for kind in types_in(path)}
    assert {"aws:sqs/queue:Queue", "aws:lambda/function:Function"} <= used, "the search finds something"
    assert sorted(used) == sorted(ROWS)
