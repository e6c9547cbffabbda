"""Makes of what the libraries raise one line: the URL, what was wrong, what would be right."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ...errors import InputError, RomancalError, one_line
from ..outcome import TransientError
from ._s3 import ANONYMOUS_VARIABLE, is_anonymous
from ._urls import is_s3, shown, split_s3

_NO_KEY = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})
_REFUSED_KEYS = frozenset(
    {
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"),
        *("TokenRefreshRequired", "RequestTimeTooSkewed", "ExpiredTokenException"),
    }
)
_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden"})
_TRANSIENT = frozenset(
    {
        *("SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "Throttling"),
        *("RequestLimitExceeded", "OperationAborted", "BadDigest", "IncompleteBody"),
        *("XAmzContentSHA256Mismatch", "NoSuchUpload", "PreconditionFailed", "InvalidPart"),
    }
)


class RemoteError(RomancalError):
    """A server does not do what it is asked for, and would not the next time."""


class RemoteAccessError(RemoteError, PermissionError):
    """A server does not let in who asks, or there is nothing to be let in with."""


class RemoteNotFoundError(InputError, FileNotFoundError):
    """There is no such file, or no such bucket."""


@contextlib.contextmanager
def telling(url: str) -> Iterator[None]:
    """Raises what goes wrong in the block as an error of this package, which names the URL.

    Raises
    ------
    RemoteNotFoundError, RemoteAccessError, InputError, RemoteError
        If it would go wrong again.
    TransientError
        If the connection is cut or too slow, or the server says that it has too much to do.
    """
    try:
        yield
    except RomancalError:
        raise
    except Exception as error:
        told = _told(url, error)
        if told is None:
            raise
        raise told from error


@contextlib.contextmanager
def telling_of(path: os.PathLike[str], url: str) -> Iterator[None]:
    """Has errors of the block name a URL in place of its local copy."""
    try:
        yield
    except RomancalError as error:
        error.args = (str(error).replace(os.fspath(path), shown(url)),)
        raise
    except OSError as error:
        if error.filename == os.fspath(path):
            error.filename = shown(url)
        raise


def _told(url: str, error: Exception) -> RomancalError | None:
    import aiohttp

    if is_s3(url) and (told := _told_of_s3(url, error)) is not None:
        return told
    where = shown(url)
    if isinstance(error, aiohttp.InvalidURL):
        return InputError(f"{where}: not a valid URL: {one_line(error)}")
    if isinstance(error, aiohttp.ClientSSLError):
        return _no_trust(where, error)
    if isinstance(error, aiohttp.ClientResponseError):
        return of_status(url, error.status, error.message)
    if isinstance(error, TimeoutError):
        return TransientError(f"{where}: the server did not answer in time")
    if isinstance(error, aiohttp.ClientConnectorError):
        return TransientError(f"{where}: no connection: {one_line(error.os_error)}")
    if isinstance(error, aiohttp.ClientError | ConnectionError):
        return TransientError(f"{where}: the connection was cut: {one_line(error)}")
    return None


def of_status(url: str, status: int, reason: str) -> RomancalError:
    """The error of what a web server answers."""
    where, said = shown(url), one_line(f"{status} {reason}")
    if status in (404, 410):
        return RemoteNotFoundError(f"{where}: there is no such file ({said})")
    if status in (401, 403, 407):
        return RemoteAccessError(
            f"{where}: the server refuses access ({said}); a URL with a signature may have expired"
        )
    if status in (408, 425, 429) or status >= 500:
        return TransientError(f"{where}: the server has a problem ({said})")
    return RemoteError(f"{where}: the server does not give the file ({said})")


def _told_of_s3(url: str, error: Exception) -> RomancalError | None:
    from botocore import exceptions

    bucket, _ = split_s3(url)
    without_credentials = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.ProfileNotFound,
        exceptions.UnauthorizedSSOTokenError,
    )
    if isinstance(error, exceptions.ClientError):
        return _told_by_s3(url, bucket, error.response)
    if isinstance(error, without_credentials):
        return RemoteAccessError(
            f"{url}: no AWS credentials ({one_line(error)}); set AWS_ACCESS_KEY_ID and "
            f"AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or {ANONYMOUS_VARIABLE}={bucket} if the "
            "bucket is public"
        )
    if isinstance(error, exceptions.ParamValidationError):
        why = one_line(error).partition(" must match the regex")[0]  # of 300 characters
        return InputError(f"{url}: not a valid name of a bucket or key: {why}")
    if isinstance(error, exceptions.SSLError):
        return _no_trust(url, error)
    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.ReadTimeoutError):
        return TransientError(f"{url}: the server did not answer in time")
    if isinstance(error, exceptions.EndpointConnectionError):
        return TransientError(f"{url}: no connection: {one_line(error)}")
    if isinstance(
        error,
        exceptions.HTTPClientError
        | exceptions.ConnectionError
        | exceptions.IncompleteReadError
        | exceptions.FlexibleChecksumError,
    ):
        return TransientError(f"{url}: the connection was cut: {one_line(error)}")
    if isinstance(error, exceptions.BotoCoreError):
        return RemoteError(f"{url}: {one_line(error)}")
    return None


def _told_by_s3(url: str, bucket: str, response: dict) -> RomancalError:
    """The error of what S3 answers."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(response.get("Error", {}).get("Code", status))
    message = one_line(response.get("Error", {}).get("Message") or code)
    if code == "NoSuchBucket":
        return RemoteNotFoundError(
            f"{url}: there is no bucket {bucket}; check its name, and AWS_ENDPOINT_URL if it is "
            "not on AWS"
        )
    if code in _TRANSIENT or status >= 500 or status == 429:
        return TransientError(f"{url}: the server has a problem ({code}: {message})")
    if code in _NO_KEY:
        return RemoteNotFoundError(f"{url}: there is no such object in the bucket; check its name")
    if code in _REFUSED_KEYS:
        return RemoteAccessError(
            f"{url}: the AWS credentials are refused ({code}: {message}); renew them, or check "
            "AWS_PROFILE and AWS_ACCESS_KEY_ID"
        )
    if code in _DENIED or status == 403:
        return RemoteAccessError(f"{url}: access denied ({code}: {message}); {_what_it_takes(url)}")
    return RemoteError(f"{url}: S3 refuses the request ({code}: {message})")


def _what_it_takes(url: str) -> str:
    bucket, _ = split_s3(url)
    if is_anonymous(url):
        return f"bucket {bucket} is asked without credentials, and is not public"
    return (
        "the credentials need the right to it, and to list the bucket, without which an object "
        f"that is not there is denied as well; {ANONYMOUS_VARIABLE}={bucket} if it is public"
    )


def _no_trust(where: str, error: Exception) -> RemoteAccessError:
    return RemoteAccessError(
        f"{where}: the server's certificate is not trusted: {one_line(error)}; name that of its "
        "authority by AWS_CA_BUNDLE (S3) or SSL_CERT_FILE (web)"
    )
