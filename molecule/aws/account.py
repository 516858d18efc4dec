"""What an account has beside the stack: a quota that was raised, and things of others'.

They look like the stack's, as far as that is possible, and must outlive it: `tests/aws/gone`.
"""

import boto3

# The second region of one account: roles, buckets and dashboards are the whole account's.
OTHER_REGION = "eu-west-1"
OTHER_TAGS = [
    {"Key": "surgewatch-stack", "Value": "aws"},
    {"Key": "surgewatch-region", "Value": OTHER_REGION},
]
OTHER_ROLE = f"surgewatch-{OTHER_REGION}-order_writer"
OTHER_BUCKET = f"surgewatch-123456789012-{OTHER_REGION}"
OTHER_DASHBOARD = f"surgewatch-{OTHER_REGION}"
LOCKED_BUCKET = "locked-by-its-policy"
OWN_ALARM = "surgewatch-of-an-operator"


def main() -> None:
    boto3.client("service-quotas").request_service_quota_increase(
        ServiceCode="ec2", QuotaCode="L-1216C47A", DesiredValue=64
    )
    boto3.client("iam").create_role(
        RoleName=OTHER_ROLE, AssumeRolePolicyDocument="{}", Tags=OTHER_TAGS
    )
    s3 = boto3.client("s3", region_name=OTHER_REGION)
    s3.create_bucket(
        Bucket=OTHER_BUCKET, CreateBucketConfiguration={"LocationConstraint": OTHER_REGION}
    )
    s3.put_bucket_tagging(Bucket=OTHER_BUCKET, Tagging={"TagSet": OTHER_TAGS})
    boto3.client("s3").create_bucket(Bucket=LOCKED_BUCKET)
    cloudwatch = boto3.client("cloudwatch")
    cloudwatch.put_dashboard(DashboardName=OTHER_DASHBOARD, DashboardBody='{"widgets": []}')
    cloudwatch.put_metric_alarm(
        AlarmName=OWN_ALARM,
        Namespace="AWS/Kinesis",
        MetricName="IncomingRecords",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        ComparisonOperator="LessThanThreshold",
        Threshold=1,
    )


if __name__ == "__main__":
    main()
