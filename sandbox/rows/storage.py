"""S3: a bucket and its separate configuration resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    section = arguments.section("versioningConfiguration")
    configuration = {"Status": section.need("status")} if section else {}
    return _configuration(arguments, cloud, "put_bucket_versioning", VersioningConfiguration=configuration)


def ownership(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.s3.BucketOwnershipControls."""
    section = arguments.section("rule")
    controls = {"Rules": [{"ObjectOwnership": section.need("objectOwnership")}] if section else []}
    return _configuration(arguments, cloud, "put_bucket_ownership_controls", OwnershipControls=controls)


def lifecycle(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.s3.BucketLifecycleConfiguration."""
    rules: list[dict[str, Any]] = []
    for section in arguments.sections("rules"):
        rule: dict[str, Any] = {"ID": section.need("id"), "Status": section.need("status"), "Filter": {"Prefix": ""}}
        if chosen := section.section("filter"):
            rule["Filter"] = {"Prefix": chosen.take("prefix", "")}
        if expiration := section.section("expiration"):
            rule["Expiration"] = {"Days": int(expiration.need("days"))}
        if old := section.section("noncurrentVersionExpiration"):
            rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(old.need("noncurrentDays"))}
        if parts := section.section("abortIncompleteMultipartUpload"):
            days = int(parts.need("daysAfterInitiation"))
            rule["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
        rules.append(rule)
    return _configuration(
        arguments, cloud, "put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules}
    )


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
            rules = [{"Name": name.lower(), "Value": value} for name, value in filters.items()]
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
    "aws:s3/bucketPolicy:BucketPolicy": policy,
    "aws:s3/bucketVersioning:BucketVersioning": versioning,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": ownership,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": lifecycle,
    "aws:s3/bucketNotification:BucketNotification": notification,
}
