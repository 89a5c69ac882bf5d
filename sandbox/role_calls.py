"""For every action that a role may be granted, a call that needs it and changes nothing.

Made with the role's own credentials: whether the role may is all that is learned. What the emulator has no API for is
asked of its policy simulator.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.cloud import LocalCloud

DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "AccessDeniedFault", "403", "AuthorizationError"})
CALLS: Final[dict[str, Callable[[Any, str], object]]] = {
    "dynamodb:BatchWriteItem": lambda client, arn: client.batch_write_item(
        RequestItems={_last(arn): [{"PutRequest": {"Item": {"never-a-key": {"S": PROBE}}}}]}
    ),
    "dynamodb:DeleteItem": lambda client, arn: client.delete_item(**_item(client, arn), **NEVER),
    "dynamodb:GetItem": lambda client, arn: client.get_item(**_item(client, arn)),
    "dynamodb:PutItem": lambda client, arn: client.put_item(
        TableName=_last(arn), Item=_item(client, arn)["Key"], **NEVER
    ),
    "dynamodb:Query": lambda client, arn: client.query(
        TableName=_last(arn),
        KeyConditionExpression="#k = :v",
        ExpressionAttributeNames={"#k": next(iter(_item(client, arn)["Key"]))},
        ExpressionAttributeValues={":v": {"S": PROBE}},
    ),
    "dynamodb:UpdateItem": lambda client, arn: client.update_item(
        **_item(client, arn), UpdateExpression="SET probe = :p", ExpressionAttributeValues={":p": {"S": "p"}}, **NEVER
    ),
    "lambda:InvokeFunction": lambda client, arn: client.invoke(FunctionName=arn, InvocationType="DryRun"),
    "logs:CreateLogStream": lambda client, arn: client.create_log_stream(
        logGroupName=arn.split(":")[6], logStreamName=f"{PROBE}-{uuid.uuid4().hex}"
    ),
    "logs:PutLogEvents": lambda client, arn: client.put_log_events(
        logGroupName=arn.split(":")[6],
        logStreamName=PROBE,
        logEvents=[{"timestamp": int(time.time() * 1000), "message": "hello"}],
    ),
    "s3:DeleteObject": lambda client, arn: client.delete_object(**_object(arn), IfMatch='"0"'),
    "s3:DeleteObjectVersion": lambda client, arn: client.delete_object(**_object(arn), VersionId=PROBE),
    "s3:GetObject": lambda client, arn: client.get_object(**_object(arn)),
    "s3:GetObjectVersion": lambda client, arn: client.get_object(**_object(arn), VersionId=PROBE),
    "s3:ListBucket": lambda client, arn: client.list_objects_v2(Bucket=_last(arn, ":"), MaxKeys=1),
    "s3:ListBucketVersions": lambda client, arn: client.list_object_versions(Bucket=_last(arn, ":"), MaxKeys=1),
    "s3:PutObject": lambda client, arn: client.put_object(**_object(arn), IfMatch='"0"'),
    "secretsmanager:GetSecretValue": lambda client, arn: client.get_secret_value(SecretId=arn),
    "sqs:ChangeMessageVisibility": lambda client, arn: client.change_message_visibility(
        QueueUrl=_queue(client, arn), ReceiptHandle=PROBE, VisibilityTimeout=1
    ),
    "sqs:DeleteMessage": lambda client, arn: client.delete_message(QueueUrl=_queue(client, arn), ReceiptHandle=PROBE),
    "sqs:GetQueueAttributes": lambda client, arn: client.get_queue_attributes(QueueUrl=_queue(client, arn)),
    "sqs:ReceiveMessage": lambda client, arn: client.receive_message(QueueUrl=_queue(client, arn), VisibilityTimeout=0),
    "sqs:SendMessage": lambda client, arn: client.send_message(
        QueueUrl=_queue(client, arn), MessageBody="hello", DelaySeconds=100_000
    ),
    "ssm:GetParameter": lambda client, arn: client.get_parameter(Name=f"/{arn.partition(':parameter/')[2]}"),
    "sts:AssumeRole": lambda client, arn: client.assume_role(RoleArn=arn, RoleSessionName=PROBE),
}
"""Action → the call, given the service's client and what the role is granted it on."""
PROBE: Final = "probe"
NEVER: Final = {"ConditionExpression": "attribute_exists(#n)", "ExpressionAttributeNames": {"#n": "never-there"}}


class Role:
    """One role of a running cloud, tried with its own credentials."""

    def __init__(self, cloud: LocalCloud, arn: str) -> None:
        self.arn = arn
        self.name = arn.rpartition("/")[2]
        self._cloud = cloud
        keys = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName=PROBE)["Credentials"]
        self._session = boto3.Session(
            keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=cloud.account.region
        )

    def policies(self) -> dict[str, dict[str, Any]]:
        """Its inline policies by name."""
        iam = self._cloud.client("iam")
        names = iam.list_role_policies(RoleName=self.name)["PolicyNames"]
        return {name: iam.get_role_policy(RoleName=self.name, PolicyName=name)["PolicyDocument"] for name in names}

    def put(self, policy: str, document: dict[str, Any]) -> None:
        """Replace one of them; one without statements is none."""
        iam = self._cloud.client("iam")
        if document["Statement"]:
            iam.put_role_policy(RoleName=self.name, PolicyName=policy, PolicyDocument=json.dumps(document))
        else:
            iam.delete_role_policy(RoleName=self.name, PolicyName=policy)

    def may(self, action: str, resource: str) -> bool:
        """Whether the role may do that now: by doing it where there is an API for it, else by IAM's simulator."""
        call = CALLS.get(action)
        if call is None:
            asked = self._cloud.client("iam").simulate_principal_policy(
                PolicySourceArn=self.arn, ActionNames=[action], ResourceArns=[resource]
            )
            return asked["EvaluationResults"][0]["EvalDecision"] == "allowed"
        try:
            call(self._client(action.partition(":")[0]), resource)
        except ClientError as error:
            return error.response["Error"]["Code"] not in DENIED
        except ParamValidationError as error:
            raise AssertionError(f"{action} on {resource} cannot be tried: {error}") from None
        return True

    def _client(self, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        session: Any = self._session
        return session.client(service, endpoint_url=self._cloud.account.endpoint, config=config)


def _last(arn: str, separator: str = "/") -> str:
    return arn.rpartition(separator)[2]


def _object(arn: str) -> dict[str, str]:
    bucket, _, key = arn.partition(":::")[2].partition("/")
    return {"Bucket": bucket, "Key": key.replace("*", PROBE)}


def _queue(client: Any, arn: str) -> str:
    _, _, _, _, account, name = arn.split(":")
    return f"{client.meta.endpoint_url}/{account}/{name}"


def _item(_: Any, arn: str) -> dict[str, Any]:
    return {"TableName": _last(arn), "Key": {"id": {"S": PROBE}}}
