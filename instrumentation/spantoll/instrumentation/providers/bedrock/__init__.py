"""Amazon Bedrock through botocore (boto3) and aiobotocore."""

from spantoll.instrumentation.providers.bedrock.hooks import PROVIDER

__all__ = ["PROVIDER"]
