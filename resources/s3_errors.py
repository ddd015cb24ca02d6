"""What S3 refused, as a sentence that names the bucket and what to do, and never in S3's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from resources.s3_options import Options
from resources.slices import WarehouseError

NOT_AS_IT_WAS = (
    "NoSuchKey",
    "NoSuchUpload",
    "PreconditionFailed",
    "ConditionalRequestConflict",
    "InvalidRange",
)
"""Codes of answers to a request for an object as it was listed, or for a place that nobody else writes to."""

_CREDENTIALS = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "RequestExpired",
)


class Gone(Exception):
    """The object was removed, or replaced by another, since it was listed."""


class NotOffered(WarehouseError):
    """The store does not know this kind of request (HTTP 501)."""


@contextmanager
def speaking(doing: str, bucket: str, root: str, endpoint: str | None, options: Options) -> Iterator[None]:
    """Errors of boto3 as WarehouseError; as Gone where the object is not as it was, as NotOffered for HTTP 501."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    place = f"s3://{bucket}/{root}"
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code in NOT_AS_IT_WAS or status == 412:
            raise Gone from None
        if code == "NotImplemented" or status == 501:
            raise NotOffered(f"{doing} in {place} failed: the store offers no such request") from None
        said = _answer(code, status, bucket, root, options)
        raise WarehouseError(f"{doing} in {place} failed: {said}") from None
    # A malformed endpoint is a ValueError.
    except (BotoCoreError, Boto3Error, ValueError) as error:
        raise WarehouseError(f"{doing} in {place} failed: {_no_answer(error, endpoint, options)}") from None


def _answer(code: str, status: int | None, bucket: str, root: str, options: Options) -> str:
    """What to do about an error that S3 answered with."""
    if code == "NoSuchBucket":
        return f"there is no bucket {bucket}: create it, or set {options.bucket_setting}"
    if code in _CREDENTIALS:
        return f"S3 does not accept the credentials ({code}): renew them"
    if code == "InvalidBucketName":
        return f"that is no name of a bucket: set {options.bucket_setting}"
    if code.startswith("KMS.") or code == "KMSInvalidStateException":
        return f"the key cannot be used ({code}): see CLIO_S3_KMS_KEY, and that it is enabled in the bucket's region"
    if status == 301 or code in ("PermanentRedirect", "AuthorizationHeaderMalformed"):
        return "the bucket lies in another region: set AWS_DEFAULT_REGION"
    if status == 403:
        keys = ", and kms:GenerateDataKey and kms:Decrypt on the key" if options.kms_key else ""
        return (
            f"the credentials may not do this ({code}): they need s3:ListBucket on the bucket, and "
            f"s3:GetObject and s3:PutObject under {root}{keys}; for releases, s3:DeleteObject too (docs/s3.md)"
        )
    if status is not None and (status >= 500 or status == 429):
        return f"S3 is busy ({code}, after {options.attempts} tries): run it again later, or raise CLIO_S3_ATTEMPTS"
    return f"S3 answered {code} (HTTP {status})"


def _no_answer(error: Exception, endpoint: str | None, options: Options) -> str:
    """What to do where S3 was not reached, or not asked."""
    from botocore import exceptions as known

    if isinstance(error, (known.NoCredentialsError, known.PartialCredentialsError)):
        return (
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, "
            "or give the machine a role"
        )
    if isinstance(error, (known.ProfileNotFound, known.CredentialRetrievalError, known.TokenRetrievalError)):
        setting = "CLIO_RELEASES_PROFILE" if options.profile else "AWS_PROFILE"
        return f"the credentials cannot be read ({type(error).__name__}): see {setting} and its files"
    if isinstance(error, known.ParamValidationError):
        return f"that is no name of a bucket: set {options.bucket_setting}"
    if isinstance(error, ValueError) and endpoint:
        return f"{options.endpoint_setting} is not a URL such as https://s3.example.org"
    where = f"{endpoint} ({options.endpoint_setting})" if endpoint else "S3"
    if isinstance(error, known.ReadTimeoutError):
        return (
            f"{where} does not answer within {options.read_seconds:g} s: run it again later, or raise "
            "CLIO_S3_READ_SECONDS"
        )
    if isinstance(error, (known.ConnectionError, known.HTTPClientError, known.IncompleteReadError)):
        return f"{where} cannot be reached: see that it is up, and the network"
    return type(error).__name__
