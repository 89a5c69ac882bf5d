"""S3: a bucket and its separate configuration resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from sandbox.rows.arguments import Made, document

if TYPE_CHECKING:
    from sandbox.rows.arguments import Arguments, Cloud, Make, Row


def bucket(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.s3.Bucket."""
    name = arguments.take("bucket") or cloud.physical_name(arguments.name)
    arguments.take("forceDestroy")  # a sandbox destroys nothing before it ends
    tags = cloud.tag_list(arguments)
    region = cloud.account.region

    def make() -> Made:
        s3 = cloud.client("s3")
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **where)
        if tags:
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
        outputs = {
            "bucket": name,
            "arn": f"arn:aws:s3:::{name}",
            "region": region,
            "bucketDomainName": f"{name}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
        }
        return Made(name, outputs)

    return make


def _configuration(arguments: Arguments, cloud: Cloud, operation: str, **call: Any) -> Make:
    """A resource that is one call on an existing bucket."""
    name = arguments.need("bucket")

    def make() -> Made:
        getattr(cloud.client("s3"), operation)(Bucket=name, **call)
        return Made(name)

    return make


def public_access_block(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.s3.BucketPublicAccessBlock."""
    block = arguments.renamed(
        BlockPublicAcls="blockPublicAcls",
        BlockPublicPolicy="blockPublicPolicy",
        IgnorePublicAcls="ignorePublicAcls",
        RestrictPublicBuckets="restrictPublicBuckets",
    )
    return _configuration(arguments, cloud, "put_public_access_block", PublicAccessBlockConfiguration=block)


def encryption(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.s3.BucketServerSideEncryptionConfiguration."""
    rules: list[dict[str, Any]] = []
    for section in arguments.sections("rules"):
        rule = section.renamed(BucketKeyEnabled="bucketKeyEnabled")
        if default := section.section("applyServerSideEncryptionByDefault"):
            rule["ApplyServerSideEncryptionByDefault"] = default.renamed(
                SSEAlgorithm="sseAlgorithm", KMSMasterKeyID="kmsMasterKeyId"
            )
        rules.append(rule)
    configuration = {"Rules": rules}
    return _configuration(arguments, cloud, "put_bucket_encryption", ServerSideEncryptionConfiguration=configuration)


def policy(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.s3.BucketPolicy."""
    text = document(arguments.need("policy"))
    return _configuration(arguments, cloud, "put_bucket_policy", Policy=text)


def versioning(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.s3.BucketVersioning."""
    status = _inner(arguments, "versioningConfiguration", Status="status")
    return _configuration(arguments, cloud, "put_bucket_versioning", VersioningConfiguration=status)


def cors(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.s3.BucketCorsConfiguration."""
    rules: list[dict[str, Any]] = []
    for section in arguments.sections("corsRules"):
        rule = section.renamed(
            AllowedMethods="allowedMethods",
            AllowedOrigins="allowedOrigins",
            AllowedHeaders="allowedHeaders",
            ExposeHeaders="exposeHeaders",
        )
        rules.append(rule | {"MaxAgeSeconds": int(section.take("maxAgeSeconds", 0))})
    return _configuration(arguments, cloud, "put_bucket_cors", CORSConfiguration={"CORSRules": rules})


def lifecycle(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.s3.BucketLifecycleConfiguration, which the emulator keeps and does not carry out."""
    rules: list[dict[str, Any]] = []
    for section in arguments.sections("rules"):
        transitions = [
            {"Days": int(each.take("days", 0))} | each.renamed(StorageClass="storageClass")
            for each in section.sections("transitions")
        ]
        parts = {
            "Expiration": _inner(
                section, "expiration", Days="days", ExpiredObjectDeleteMarker="expiredObjectDeleteMarker"
            ),
            "NoncurrentVersionExpiration": _inner(
                section, "noncurrentVersionExpiration", NoncurrentDays="noncurrentDays"
            ),
            "AbortIncompleteMultipartUpload": _inner(
                section, "abortIncompleteMultipartUpload", DaysAfterInitiation="daysAfterInitiation"
            ),
            "Transitions": transitions,
        }
        rule = section.renamed(ID="id", Status="status") | {"Filter": _inner(section, "filter", Prefix="prefix")}
        rules.append(rule | {key: value for key, value in parts.items() if value})
    return _configuration(
        arguments, cloud, "put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules}
    )


def _inner(arguments: Arguments, key: str, **names: str) -> dict[str, Any]:
    """A nested block as the API has it, empty where the program leaves it out; Pulumi's numbers are floats."""
    section = arguments.section(key)
    values = section.renamed(**names) if section is not None else {}
    return {name: int(value) if isinstance(value, float) else value for name, value in values.items()}


def notification(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.s3.BucketNotification."""
    targets = {
        "LambdaFunctionConfigurations": ("lambdaFunctions", "lambdaFunctionArn", "LambdaFunctionArn"),
        "QueueConfigurations": ("queues", "queueArn", "QueueArn"),
        "TopicConfigurations": ("topics", "topicArn", "TopicArn"),
    }
    configuration: dict[str, Any] = {}
    for api, (key, target, api_target) in targets.items():
        entries: list[dict[str, Any]] = []
        for section in arguments.sections(key):
            filters = section.renamed(Prefix="filterPrefix", Suffix="filterSuffix")
            # AWS compares the URL-encoded text; the emulator takes it as it is.
            rules = [{"Name": name.lower(), "Value": unquote_plus(value)} for name, value in filters.items()]
            entry = {api_target: section.need(target), "Events": section.need("events")}
            entry |= section.renamed(Id="id") | ({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})
            entries.append(entry)
        if entries:
            configuration[api] = entries
    return _configuration(
        arguments, cloud, "put_bucket_notification_configuration", NotificationConfiguration=configuration
    )


ROWS: dict[str, Row] = {
    "aws:s3/bucket:Bucket": bucket,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": public_access_block,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": encryption,
    "aws:s3/bucketVersioning:BucketVersioning": versioning,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": lifecycle,
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": cors,
    "aws:s3/bucketPolicy:BucketPolicy": policy,
    "aws:s3/bucketNotification:BucketNotification": notification,
}
